//! Pico's alpha APIs: media upload over REST, and work instructions over GraphQL. Cargo feature `alpha`.
//!
//! **Pico calls both alpha: they may change, and so may this module, in any version.** Much of them is not documented.
//! What is assumed is said where it matters, and can be set.
//!
//! ```no_run
//! use pico_erp::alpha::{Destination, MediaUpload, ProcessCreate, WorkAction, WorkProcess, WorkStep};
//!
//! # async fn example(client: pico_erp::Client) -> Result<(), pico_erp::Error> {
//! let image = client.upload_media(&MediaUpload::file("step1.jpg", Destination::StepImage)).await?;
//! println!("{}", image.path);
//!
//! let process = WorkProcess::new("assembly_step_1", "Main assembly").step(
//!     WorkStep::new("step_1", "Fit the cover")
//!         .instruction("Fit the cover with both screws.")
//!         .action(WorkAction::new("action_1").description("The cover is fitted")),
//! );
//! client.process_create(&ProcessCreate::new(process)).await?;
//! # Ok(()) }
//! ```

mod answer;
mod destination;
mod media_file;
mod object_ids;
mod process;
mod sending;
mod ticket;
mod upload;
mod work_instructions;

pub use destination::{Destination, MediaFormat};
pub use process::{WorkAction, WorkProcess, WorkStep};
pub use ticket::UploadTicket;
pub use upload::{MediaUpload, UploadMode, UploadProgress, UploadedMedia};
pub use work_instructions::{ProcessCreate, ProductCreate, StationCreate};
