//! The arguments of `pico-erp alpha`, as clap reads them. Their doc comments are the help text.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use pico_erp::alpha::UploadMode;

#[derive(Debug, Subcommand)]
pub(crate) enum Alpha {
    /// Upload an image or a video for a step, and print its path
    Upload(AlphaUpload),
    /// Processes
    #[command(subcommand)]
    Process(CreateFrom),
    /// Products
    #[command(subcommand)]
    Product(CreateFrom),
    /// Stations
    #[command(subcommand)]
    Station(CreateFrom),
}

#[derive(Debug, Subcommand)]
pub(crate) enum CreateFrom {
    /// Create one, or overwrite it, edits made in Pico's own user interface included
    Create {
        /// The input of the mutation, as JSON: for a process {"process": {"id": ..., "name": ..., "steps": [...]}}
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum UploadModeName {
    /// In one request when the file is small enough, else in chunks
    Auto,
    /// In one request
    Single,
    /// In chunks
    Chunked,
}

impl From<UploadModeName> for UploadMode {
    fn from(name: UploadModeName) -> Self {
        match name {
            UploadModeName::Auto => Self::Auto,
            UploadModeName::Single => Self::Single,
            UploadModeName::Chunked => Self::Chunked,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AlphaUpload {
    /// The file
    pub(crate) file: PathBuf,
    /// What it is for: stepImage (JPEG, PNG), stepVideo (MP4), stepVideoGif (GIF), or another name that Pico knows
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) destination: Option<String>,
    /// Remember in this file how far the upload has come, and go on from there when it is there already. The upload is then
    /// made in chunks. The file is removed when all is uploaded
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// How the file travels [default: auto, or chunked with --resume]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<UploadModeName>,
    /// Bytes of a chunk [default: 5000000]
    #[arg(long, value_name = "BYTES")]
    pub(crate) chunk_bytes: Option<u64>,
    /// Where to upload to [default: /uploads at the endpoint's host]
    #[arg(long, value_name = "URL")]
    pub(crate) uploads_url: Option<String>,
}
