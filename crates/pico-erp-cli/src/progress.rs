//! A progress bar on the standard error, where that is a terminal and a person reads it.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(what: &'static str, length: u64, json: bool) -> Self {
        // indicatif draws nothing where the standard error is no terminal.
        let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(length), target).with_prefix(what);
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent}% {eta} {msg}");
        // The template is a constant; with one that is not understood the bar looks plainer.
        Self(style.map_or(bar.clone(), |style| bar.with_style(style)))
    }

    pub(crate) fn set(&self, position: u64) {
        self.0.set_position(position);
    }

    pub(crate) fn say(&self, text: &str) {
        self.0.set_message(text.to_owned());
    }

    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
