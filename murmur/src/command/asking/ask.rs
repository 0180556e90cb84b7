//! `murmur ask`

use clap::Args;
use serde_json::json;
use smc_core::request::{Admissible, Decision};
use smc_mqtt::client::{Access, Client, Outlook, Proposal, Standing};
use smc_mqtt::clock::Clock;
use smc_mqtt::process;
use smc_mqtt::topic::{Topic, Topics};
use tokio::time::{Instant, sleep_until};

use super::flags::Question;
use super::told::{self, say};
use super::watch::Watching;
use super::who::Who;
use super::{AskFailure, cancel};
use crate::command::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur ask mean co2 --key keys/display.key --scope floor=1 --every 60s --min-cohort 5 \\
      --for \"ventilation display\" --until 2027-01-01
  murmur ask count_above co2 --above 1400 --key keys/display.key --for \"too stale?\" --once
  murmur ask max co2 --audience me --key keys/display.key --for \"worst room\" --once --json
  murmur ask mean co2 --key keys/display.key --for \"a test\" --print |
      mosquitto_pub -h localhost -u display -P ... -q 1 -r -t murmur/hq/request/display/NAME -s

Each peer decides by its own policy and says why; results come if enough of them allow it, on
murmur/<site>/result/<name>. Follow them with `murmur watch NAME`, end it with `murmur cancel NAME`.

Exit codes: 0 results come (with --once: the value came), 1 an error, 2 wrong usage,
3 too many peers will not compute it, 4 too few have answered or decided in time; the request stands.";

/// `murmur ask FUNCTION QUANTITY --for PURPOSE --key NAME.key`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ask {
    #[command(flatten)]
    question: Question,
    #[command(flatten)]
    who: Who,
    /// One value is enough: wait for it, print it, end
    #[arg(long)]
    once: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    /// Print the signed request and send nothing; its topic goes to standard error
    #[arg(long, conflicts_with = "once")]
    print: bool,
}

impl Ask {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.ask())??)
    }

    async fn ask(self) -> Result<Outcome, AskFailure> {
        let access = self.who.access()?;
        if let Some(audience) = self.question.audience(&access)?
            && self.once
            && audience != *access.node()
        {
            return Err(AskFailure::Audience { audience: audience.to_string() });
        }
        if self.print {
            return self.print(&access);
        }
        // The site file may be older than the member list.
        let (mut client, _) = self.who.connect(access).await?;
        let request = self.question.request(client.access(), Clock::system().now(), self.once)?;
        let (signed, _) = client.sign(request.clone())?;
        let proposal = Proposal::new(client.roster(), &signed)?;
        cancel::tidy(&mut client, Clock::system().now()).await?;
        let asked = client.ask(request).await?;
        let mut asking = Asking { client, asked, json: self.json, needs: proposal.needs };
        asking.introduce(&proposal)?;
        let outcome = asking.decided(Instant::now() + self.who.wait()).await?;
        if self.once && outcome == Outcome::Done {
            let query = asking.asked.request.query.name;
            let definition = Some(proposal.session.query().clone());
            let mut watching = Watching::new(asking.client, query, definition, self.json);
            let outcome = watching.until_values(1).await;
            watching.close().await;
            return outcome;
        }
        asking.client.close().await;
        Ok(outcome)
    }

    /// Without a word to the broker, by the member list as the files have it.
    fn print(self, access: &Access) -> Result<Outcome, AskFailure> {
        let request = self.question.request(access, Clock::system().now(), self.once)?;
        let (signed, json) = access.sign(request)?;
        Proposal::new(access.roster(), &signed)?;
        let topic = Topic::Request { client: access.node().clone(), query: signed.request.query.name };
        eprintln!("{}", Topics::new(access.roster().site().clone()).spell(&topic));
        say(&String::from_utf8_lossy(&json))?;
        Ok(Outcome::Done)
    }
}

/// A request that was sent.
struct Asking {
    client: Client,
    asked: Admissible,
    json: bool,
    needs: usize,
}

impl Asking {
    fn introduce(&self, proposal: &Proposal) -> Result<(), AskFailure> {
        let request = &self.asked.request;
        let name = &request.query.name;
        Ok(say(&if self.json {
            json!({ "asked": name, "digest": self.asked.digest, "needs": self.needs }).to_string()
        } else {
            let Proposal { agents, needs, .. } = proposal;
            let told = told::request(request);
            format!("{name}: {told}\n  {agents} agents in its scope; {needs} peers must allow it")
        })?)
    }

    /// Tells what the peers decide until all have, or until `deadline`.
    async fn decided(&mut self, deadline: Instant) -> Result<Outcome, AskFailure> {
        let query = self.asked.request.query.name.clone();
        let mut last = Outlook::Undecided;
        loop {
            let standing = self.standing();
            let outlook = standing.outlook();
            if outlook != last {
                self.tell_outlook(&standing)?;
                last = outlook;
            }
            let all_answered = standing.silent().next().is_none();
            if outlook == Outlook::Impossible || (outlook == Outlook::Running && all_answered) {
                return Ok(self.concluded(outlook));
            }
            tokio::select! {
                decision = self.client.next_decision(&query) => {
                    self.tell(&decision.ok_or(AskFailure::Ended)?)?;
                }
                () = sleep_until(deadline) => {
                    if outlook == Outlook::Undecided {
                        self.tell_outlook(&standing)?;
                    }
                    if let Some(silent) = told::silent(&standing) {
                        eprintln!("{silent} within the time of --wait; the request stands");
                    }
                    return Ok(self.concluded(outlook));
                }
                () = process::asked_to_end() => return Ok(self.concluded(outlook)),
            }
        }
    }

    fn standing(&self) -> Standing {
        self.client.standing(&self.asked, self.needs)
    }

    fn concluded(&self, outlook: Outlook) -> Outcome {
        match outlook {
            Outlook::Impossible => Outcome::Denied,
            Outlook::Running => Outcome::Done,
            Outlook::Undecided => Outcome::Unanswered,
        }
    }

    fn tell(&self, decision: &Decision) -> Result<(), AskFailure> {
        Ok(say(&if self.json {
            json!({ "decision": told::decision_json(decision) }).to_string()
        } else {
            told::decision(decision)
        })?)
    }

    fn tell_outlook(&self, standing: &Standing) -> Result<(), AskFailure> {
        Ok(say(&if self.json {
            let silent: Vec<_> = standing.silent().collect();
            let word = told::outlook_word(standing.outlook());
            json!({ "outlook": word, "allowed": standing.allowed(), "needs": standing.needs(), "silent": silent })
                .to_string()
        } else {
            told::outlook(standing)
        })?)
    }
}
