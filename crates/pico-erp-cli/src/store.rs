//! `pico-erp store`: a store as a whole: made, parted into plants, given to another Pico, set aside.

use pico_erp::Store;

use crate::args::Connection;
use crate::calls::client;
use crate::durable_args::StoreCommand;
use crate::exit::Failure;
use crate::inbox::open;
use crate::output::{line, value};

/// The plant without a name, for people.
const UNNAMED: &str = "(without a name)";

pub(crate) async fn run(connection: &Connection, command: StoreCommand) -> Result<(), Failure> {
    let json = connection.json;
    match command {
        StoreCommand::SetAside { at } => {
            let moved = Store::set_aside(&at.store)?;
            if json {
                return value(&serde_json::json!({ "path": moved.display().to_string() }));
            }
            line(&format!("moved to {}", moved.display()))
        }
        StoreCommand::Plants { at } => {
            let store = Store::builder(&at.store).must_exist().open().await?;
            let names = store.plant_names().await?;
            if json {
                return value(&serde_json::json!(names));
            }
            names.iter().try_for_each(|name| line(if name.is_empty() { UNNAMED } else { name }))
        }
        StoreCommand::Rebind { place } => {
            let client = client(connection)?;
            let store = open(&place).await?;
            store.rebind(&client).await?;
            if json {
                return value(
                    &serde_json::json!({ "plant": store.plant_name(), "endpoint": client.endpoint() }),
                );
            }
            line(&format!("{} belongs to the Pico at {}", store.location(), client.endpoint()))
        }
        StoreCommand::Prepare { at } => {
            let store = Store::open(&at.store).await?;
            let location = store.location();
            store.close().await;
            if json {
                return value(&serde_json::json!({ "location": location, "version": pico_erp::VERSION }));
            }
            line(&format!("{location} is ready for pico-erp {}", pico_erp::VERSION))
        }
    }
}
