//! Opens a store and prints `opened`, or the kind of the error and its text: for tests in which another user does so.
//!
//! opener STORE

use pico_erp::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let path = std::env::args().nth(1).expect("usage: opener STORE");
    match Store::open(path).await {
        Ok(store) => {
            store.close().await;
            println!("opened");
        }
        Err(error) => println!("{}: {error}", error.kind().name()),
    }
}
