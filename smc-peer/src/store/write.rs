//! How a batch gets into the file.

use std::collections::HashMap;

use rusqlite::{Connection, Transaction, params};

use super::inputs::Inputs;
use super::{Batch, InputKey, StoredInput};

/// Pages in a write-ahead log that has votes alone.
const SHORT: u32 = 64;

/// Writes a batch; returns where the inputs went.
pub(super) fn write(
    database: &mut Connection,
    inputs: Inputs,
    rows: &HashMap<InputKey, i64>,
    batch: &Batch,
) -> rusqlite::Result<Vec<(InputKey, i64)>> {
    let mut written = Vec::with_capacity(batch.inputs.len());
    // A vote is waited for: it is synced, but leaves the tidying of the log to whoever comes next. Where hardly anybody does, and
    // there is little to tidy up, the log is kept short: its blocks are written again and again, rather than new ones.
    let (synchronous, checkpoint) = match (inputs, batch.is_urgent()) {
        (Inputs::Own, true) => ("FULL", SHORT),
        (Inputs::Beside, true) => ("FULL", 0),
        (_, false) => ("NORMAL", 1000),
    };
    database.pragma_update(Some("main"), "synchronous", synchronous)?;
    database.pragma_update(None, "wal_autocheckpoint", checkpoint)?;
    let transaction = database.transaction()?;
    {
        let mut insert = transaction.prepare_cached(&inputs.sql(
            "INSERT INTO {input} (agent, period, window, envelope, part) VALUES (?1, ?2, ?3, ?4, ?5)",
        ))?;
        for StoredInput { key, envelope } in &batch.inputs {
            let (period, window) = (key.period.as_millis() as i64, key.window.0 as i64);
            let id = insert.insert(params![key.agent.as_str(), period, window, &envelope[..], key.part])?;
            written.push((key.clone(), id));
        }
        let mut delete = transaction.prepare_cached(&inputs.sql("DELETE FROM {input} WHERE id = ?1"))?;
        let mut forgotten: Vec<i64> =
            batch.forgotten.iter().filter_map(|key| rows.get(key).copied()).collect();
        forgotten.sort_unstable();
        for id in forgotten {
            delete.execute([id])?;
        }
        let mut vote = transaction.prepare_cached("INSERT OR REPLACE INTO vote VALUES (?1, ?2)")?;
        for (quantity, standing) in &batch.votes {
            let json = serde_json::to_string(standing)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            vote.execute(params![quantity.as_str(), json])?;
        }
        decisions(&transaction, batch)?;
    }
    transaction.commit()?;
    Ok(written)
}

fn decisions(transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
    let mut keep = transaction.prepare_cached("INSERT OR REPLACE INTO query VALUES (?1, ?2)")?;
    let mut drop = transaction.prepare_cached("DELETE FROM query WHERE name = ?1")?;
    for (query, saved) in &batch.decisions {
        match saved {
            Some(saved) => {
                let json = serde_json::to_string(saved)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
                keep.execute(params![query.as_str(), json])?
            }
            None => drop.execute([query.as_str()])?,
        };
    }
    if let Some(order) = batch.order {
        transaction
            .execute("INSERT OR REPLACE INTO last_order VALUES (0, ?1)", [order.as_micros() as i64])?;
    }
    Ok(())
}
