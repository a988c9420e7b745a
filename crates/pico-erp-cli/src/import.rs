//! `pico-erp orders import`: a file of orders through the outbox to Pico. It can be stopped and started again at any
//! moment; no line is sent twice.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;
use std::time::Duration;

use pico_erp::{
    Catalogue, ImportOptions, ImportReader, ImportReport, OutboxState, Store, write_import_results,
};

use crate::args::Connection;
use crate::calls::client;
use crate::durable_args::Import;
use crate::exit::Failure;
use crate::inbox::make;
use crate::outbox::send;
use crate::output::{line, value};
use crate::progress::Bar;

/// How long the catalogue may take to be there, when the file names parts.
const CATALOGUE: Duration = Duration::from_secs(60);

pub(crate) async fn run(connection: &Connection, import: Import) -> Result<(), Failure> {
    let reader = ImportReader::open(&import.file)?;
    let store = make(&import.place).await?;
    let report = queue(connection, &import, &reader, &store).await?;
    if !import.queue_only {
        send(connection, &store, false).await?;
    }
    let results = match store.outbox().import_results(&report.digest).await {
        Ok(results) => results,
        // Nothing but a header.
        Err(_) if report.counts.lines == 0 => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if let Some(path) = &import.result {
        let file = File::create(path)
            .map_err(|error| Failure::usage(format!("--result {}: {error}", path.display())))?;
        write_import_results(&results, BufWriter::new(file))?;
    }
    let count = |state| results.iter().filter(|result| result.state == state).count();
    let (sent, failed) = (count(Some(OutboxState::Sent)), count(Some(OutboxState::Failed)));
    let refused = count(None);
    let counts = report.counts;
    if connection.json {
        value(&serde_json::json!({
            "lines": counts.lines,
            "queued": counts.queued,
            "known": counts.known,
            "sent": sent,
            "failed": failed,
            "refused": refused,
        }))?;
    } else {
        for refused in &report.refused {
            line(&refused.error.to_string())?;
        }
        let lines = counts.lines;
        line(&format!("{lines} lines: {sent} orders sent, {failed} failed, {refused} lines refused"))?;
        if counts.known > 0 {
            line(&format!("{} were queued by an earlier run", counts.known))?;
        }
    }
    if failed + refused > 0 {
        let hint = if import.result.is_none() { "; --result FILE lists them" } else { "" };
        return Err(Failure::refused(format!("{} could not be ordered{hint}", failed + refused)));
    }
    Ok(())
}

async fn queue(
    connection: &Connection,
    import: &Import,
    reader: &ImportReader,
    store: &Store,
) -> Result<ImportReport, Failure> {
    let mut options = ImportOptions::default();
    if let Some(name) = &import.name {
        options = options.name(name);
    }
    // The catalogue is only asked for when a line needs it, and then by all of them.
    let catalogue = Arc::new(tokio::sync::OnceCell::new());
    let (client, shared) = (client(connection)?, store.clone());
    options = options.resolve(move |part| {
        let (catalogue, client, store) = (Arc::clone(&catalogue), client.clone(), shared.clone());
        async move {
            let catalogue: &Catalogue = catalogue
                .get_or_try_init(|| async move {
                    let catalogue = Catalogue::builder(&client, &store).start().await?;
                    match tokio::time::timeout(CATALOGUE, catalogue.ready()).await {
                        Ok(ready) => ready.map(|()| catalogue),
                        Err(_) => Err(pico_erp::Error::new(
                            pico_erp::ErrorKind::Timeout,
                            format!("Pico's operations could not be listed within {CATALOGUE:?}"),
                        )),
                    }
                })
                .await?;
            let revision = part.revision.as_deref();
            catalogue
                .order_by_part("import", &part.part_number, revision)
                .await
                .map(|order| order.operation_id)
        }
    });
    let bar = Arc::new(Bar::new("reading", reader.size(), connection.json));
    let progress = Arc::clone(&bar);
    options = options.on_progress(move |now| progress.set(now.read));
    let report = store.outbox().import(reader, options).await?;
    bar.end();
    Ok(report)
}
