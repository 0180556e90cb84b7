//! The files of a site as text that people can read and change.

use std::fmt::Write;

use smc_core::name::QuantityName;
use smc_core::roster::{Span, Tolerate};

use super::folder::{BROKER, BROKER_KEY};
use super::plan::{HOME_ASSISTANT, Login, Member, NEWCOMER, OBSERVER, Plan};

// Every value that is put between quotes below is a name, a key, a hash, an address or a length of time: none has a
// character that TOML would want escaped.

/// `site.toml`
pub(super) fn site(plan: &Plan) -> String {
    let mut text = site_table(plan);
    text += "\n# Peer i is the i-th of these. The order matters to shares: never change it.\n";
    for peer in &plan.peers {
        text += &format!("\n[[peer]]\n{}", public_keys(peer));
    }
    text += AGENTS_COMMENT;
    let streams = quoted_list(&plan.rules.quantities);
    for agent in &plan.agents {
        text += &format!("\n[[agent]]\n{}streams = {streams}\n", public_keys(agent));
    }
    if !plan.clients.is_empty() {
        text += CLIENTS_COMMENT;
    }
    for client in &plan.clients {
        text += "\n[[client]]\n";
        text += &public_keys(client);
    }
    text += QUERIES_COMMENT;
    for quantity in &plan.rules.quantities {
        for function in ["count", "sum", "mean"] {
            text += &format!(
                "\n[[query]]\nname = \"{quantity}-{function}\"\nfunction = \"{function}\"\nquantity = \"{quantity}\"\n"
            );
        }
    }
    text
}

const AGENTS_COMMENT: &str = "
# The agents. `streams` says what each measures; labels are for queries over a part of the site:
#     labels = { floor = \"1\" }
";

const CLIENTS_COMMENT: &str = "
# Clients, who may ask (`murmur ask`) and whom outputs may be sealed for: a query with audience = \"<client>\" tells nobody
# else, and `murmur open` opens it. The peers' policies can go by groups:
#     groups = [\"facility\"]
";

const QUERIES_COMMENT: &str = "
# Standing questions to the peers, answered once per period on murmur/<site>/result/<name>. A query may cover a part
# of the site and say why it is asked:
#     scope = { floor = \"1\" }
#     minimum_cohort = 8
#     purpose = \"ventilation\"
# Scopes that differ by fewer agents than the minimum cohort are refused, since the difference of their results would
# tell about those few.
";

fn site_table(plan: &Plan) -> String {
    let rules = &plan.rules;
    let tolerate = match rules.tolerate {
        Tolerate::Crash => "crash",
        Tolerate::Malicious => "malicious",
    };
    format!(
        "# The site `{name}`. Public, and the same for every node: nodes whose copies differ don't understand each other.

[site]
name = \"{name}\"
# How many peers may put their heads together without learning a reading.
threshold = {threshold}
# What peers may do without harm: \"crash\" (they may stop) or \"malicious\" (they may do anything).
tolerate = \"{tolerate}\"
# The fewest agents that any result may cover; at least 3.
minimum_cohort = {minimum_cohort}
# How often there is a result, unless a quantity says otherwise.
period = \"{period}\"
# How long after a window's end its readings are still taken.
grace = \"{grace}\"
# How long a peer waits for the others in each step; less than the shortest period.
step = \"{grace}\"
# How long nobody joins or leaves the cohort, so that two results never differ by one room.
cohort_epoch = \"{cohort_epoch}\"
# How long a peer's sealing key lives: what was sealed to it can be opened by nobody once it is gone.
key_epoch = \"{key_epoch}\"
",
        name = rules.name,
        threshold = rules.threshold,
        minimum_cohort = rules.minimum_cohort,
        period = Span::new(rules.period.as_duration()),
        grace = rules.grace(),
        cohort_epoch = rules.cohort_epoch(),
        key_epoch = rules.key_epoch(),
    )
}

fn public_keys(member: &Member) -> String {
    format!(
        "name = \"{}\"\nidentity = \"{}\"\nsealing = \"{}\"\n",
        member.name,
        member.keys.signing.verifying_key(),
        member.keys.sealing.public()
    )
}

fn quoted_list(names: &[QuantityName]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// `broker.toml`
pub(super) fn broker(plan: &Plan) -> String {
    let mut text = format!(
        "# The broker of the site `{site}`. It sees who sends how much when, and no reading.

{listen}site = \"{site}\"
# With it, logins come and go as the peers change the member list.
site_file = \"site.toml\"
# Where retained messages are kept.
state_dir = \"state/broker\"
# Whoever has no login is a newcomer, who can do nothing but join by a code (`murmur pair`). Without this line nobody
# gets in without a login, nor can anybody join so.
anonymous = \"{NEWCOMER}\"
",
        site = plan.rules.name,
        listen = if plan.rules.tls { String::new() } else { plain(plan) },
    );
    if plan.rules.tls {
        text += &tls(plan);
    }
    text += ACCOUNTS_COMMENT;
    let mut account = |name: &str, role: &str, login: &Login| {
        let hash = &login.hash;
        let _ =
            write!(text, "\n[[account]]\nname = \"{name}\"\nrole = \"{role}\"\npassword_hash = \"{hash}\"\n");
    };
    for peer in &plan.peers {
        account(peer.name.as_str(), "peer", &peer.login);
    }
    for agent in &plan.agents {
        account(agent.name.as_str(), "agent", &agent.login);
    }
    for client in &plan.clients {
        account(client.name.as_str(), "client", &client.login);
    }
    account(OBSERVER, "reader", &plan.observer);
    account(HOME_ASSISTANT, "home-assistant", &plan.home_assistant);
    account(NEWCOMER, "newcomer", &plan.newcomer);
    text
}

const ACCOUNTS_COMMENT: &str = "
# Who may connect; a role decides to which topics. These passwords are random, 140 bits or more, and can't be guessed
# at any speed, so their hashes are cheap ones. `smc-broker passwd NAME` hashes a password that a person chose at the
# cost which that takes.
";

fn plain(plan: &Plan) -> String {
    format!(
        "# Where it listens. Logins are not encrypted there: beyond one machine, make the site with --tls, or use a network that
# you trust.
listen = \"{}\"
",
        listen(plan)
    )
}

fn tls(plan: &Plan) -> String {
    format!(
        "
# Where it listens, with TLS alone: `listen` above these tables would be for MQTT without.
[tls]
listen = \"{}\"
# Read again when they change: `murmur site renew` before the certificate ends.
certificate = \"{BROKER}\"
key = \"{BROKER_KEY}\"
",
        listen(plan)
    )
}

/// Where the broker listens: on the address that the nodes will use if that is one, else on all of them.
fn listen(plan: &Plan) -> String {
    let broker = &plan.rules.broker;
    let port = broker.port();
    match (broker.host(), broker.host().parse::<std::net::IpAddr>()) {
        ("localhost", _) => format!("127.0.0.1:{port}"),
        (_, Ok(address)) => std::net::SocketAddr::new(address, port).to_string(),
        (_, Err(_)) => format!("0.0.0.0:{port}"),
    }
}

/// `<peer>.toml`
pub(super) fn peer(plan: &Plan, peer: &Member) -> String {
    let name = &peer.name;
    format!(
        "# The peer `{name}`.
{node}# Its votes and the shares of open windows. Never copy it, never start two peers on it.
state_dir = \"state/{name}\"
# Whether it signs by itself that agents and clients come, go and change their keys (\"auto\"), or asks you (\"ask\").
consent = \"ask\"

[home_assistant]
# Announces every result, peer and agent to Home Assistant, which then shows them by itself.
discovery = true

# A page in the browser: what is computed, and what waits for you to approve or deny it. On this machine it takes no password;
# two peers on one machine need two ports.
#[page]
#listen = \"127.0.0.1:8088\"

# How often the peer signs and publishes what its log came to, so that the others can hold it to that.
#[audit]
#head_every = \"5m\"
",
        node = node(plan, peer),
    )
}

/// `<agent>.toml`
pub(super) fn agent(plan: &Plan, agent: &Member) -> String {
    let name = &agent.name;
    format!(
        "# The agent `{name}`.
{node}# Changes of the member list.
state_dir = \"state/{name}\"
# The owner's own terms: results over fewer agents than this do without this agent. 0 leaves it to the site.
minimum_cohort = 0
# How old a reading may be when it is shared; one period if not given.
# maximum_age = \"5m\"
# A file in which the owner says what not to share, if there is one: `paused = true`, `paused_streams = [\"motion\"]`.
control = \"{name}.control.toml\"
# What you call the place, for logs on this machine. It never leaves it.
# display_name = \"Corner office\"

# Where the readings come from. This one invents a room with people in it; replace it by your sensors, see docs/sensors.md and
# configs/sensors/.
[[source]]
kind = \"simulated\"
streams = {streams}
# Seconds between readings: often enough that every window has a fresh one.
interval_s = {interval}
",
        node = node(plan, agent),
        interval = plan.rules.interval().as_secs_f64(),
        streams = quoted_list(&plan.rules.quantities),
    )
}

const CA_LINE: &str = "# The authority that the broker's certificate is of.
ca = \"ca.pem\"
";

fn node(plan: &Plan, member: &Member) -> String {
    let Member { name, .. } = member;
    format!(
        "# Paths count from this file.
node = \"{name}\"
site = \"site.toml\"
# Its secrets. Only its owner may read them (mode 0600).
keys = \"keys/{name}.key\"
broker = \"{broker}\"
{ca}",
        broker = plan.rules.broker.url(),
        ca = if plan.rules.tls { CA_LINE } else { "" },
    )
}
