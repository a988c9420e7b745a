//! What works on a store, over each kind of store by the same tests: [`on_a_file`] and, with the feature `postgres`,
//! `on_a_database`. What only a file or only a database can do is in [`file`] and `nodes`.

mod file;
#[cfg(feature = "postgres")]
mod nodes;
#[cfg(feature = "postgres")]
mod on_a_database;
mod on_a_file;
