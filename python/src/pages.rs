//! [`Pages`]: what is read from a store page by page, as one sequence that sees what changes meanwhile.

use std::collections::VecDeque;
use std::pin::Pin;

use pico_erp::Error;

/// How many are read at once.
const PAGE: usize = 256;

type Page<T> = Pin<Box<dyn Future<Output = Result<Vec<T>, Error>> + Send>>;

/// Reads the page after the last one that was read, of that size at most.
type Read<T> = Box<dyn Fn(Option<&T>, usize) -> Page<T> + Send>;

pub(crate) struct Pages<T> {
    read: Read<T>,
    page: VecDeque<T>,
    /// The last one that was handed out, after which the next page begins.
    last: Option<T>,
    over: bool,
}

impl<T: Clone> Pages<T> {
    pub(crate) fn new<F>(read: impl Fn(Option<&T>, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Vec<T>, Error>> + Send + 'static,
    {
        let read: Read<T> = Box::new(move |last, limit| Box::pin(read(last, limit)));
        Self { read, page: VecDeque::new(), last: None, over: false }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<T>, Error> {
        if self.page.is_empty() && !self.over {
            let page = (self.read)(self.last.as_ref(), PAGE);
            self.page = page.await?.into();
            self.over = self.page.len() < PAGE;
            self.last = self.page.back().cloned();
        }
        Ok(self.page.pop_front())
    }
}
