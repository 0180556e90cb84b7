//! Asks for the mean CO2 of a site for an hour, tells what each peer decides, and prints the values that come.
//!
//! ```sh
//! cargo run -p smc-mqtt --example ask -- hq/site.toml hq/keys/display.key mqtt://localhost:1883
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use smc_core::request::Request;
use smc_core::result::VERSION;
use smc_core::roster::document::QueryTable;
use smc_mqtt::client::{Access, Client, Notice, Outlook, Proposal, word};
use smc_mqtt::clock::Clock;

const USAGE: &str = "usage: ask SITE.toml NAME.key BROKER";
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or(USAGE);
    let (site, key, broker) = (PathBuf::from(argument()?), PathBuf::from(argument()?), argument()?.parse()?);
    let access = Access::load(&site, &key)?;

    let query = QueryTable {
        purpose: "an example".to_owned(),
        ..QueryTable::new(format!("example-{}", word()?).parse()?, "mean", "co2".parse()?)
    };
    let now = Clock::system().now();
    let request = Request {
        v: VERSION,
        site: access.roster().site().clone(),
        client: access.node().clone(),
        query,
        every: None,
        not_before: now,
        until: now + HOUR,
        once: false,
    };
    // What no peer could compute is found out here.
    let (asked, _) = access.sign(request.clone())?;
    let Proposal { needs, .. } = Proposal::new(access.roster(), &asked)?;

    let mut client = Client::connect(access, broker)?;
    let asked = client.ask(request).await?;
    let query = &asked.request.query.name;
    println!("asked as {query}; {needs} peers must allow it");
    while let Some(notice) = client.next().await {
        match notice {
            Notice::Decision(decision) if decision.query == *query => {
                println!("{}: {} ({})", decision.peer, decision.verdict, decision.reason);
                if client.standing(&asked, needs).outlook() == Outlook::Impossible {
                    return Err("too many peers will not compute it".into());
                }
            }
            Notice::Disconnected(fault) => eprintln!("disconnected: {fault}"),
            Notice::Refused(refusal) => return Err(refusal.into()),
            Notice::Result(signed) if signed.result.query == *query => {
                println!("{} {:?}", signed.result.window.start, signed.result.value);
            }
            _ => {}
        }
    }
    Ok(())
}
