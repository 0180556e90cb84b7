//! Mosquitto's three files.

use std::fmt::Write;

use smc_mqtt::entropy;

use super::{BrokerFailure, Draft, Plan, hash};
use broker::Rules;

pub(super) const CONFIG: &str = "mosquitto.conf";
const PASSWORDS: &str = "mosquitto.passwd";
const RULES: &str = "mosquitto.acl";

/// How many messages may wait for one client: some windows of everybody's, and what comes at a start.
const QUEUE: (usize, usize) = (1_000, 64);

pub(super) fn files(plan: &Plan) -> Result<Vec<Draft>, BrokerFailure> {
    let rng = &mut entropy::rng()?;
    let line = |login| format!("{}:{}\n", login_name(login), hash::mosquitto(login, rng));
    let passwords: String = plan.logins.iter().map(line).collect();
    Ok(vec![
        Draft::new(CONFIG, config(plan)),
        Draft::new(PASSWORDS, passwords),
        Draft::new(RULES, rules(plan)),
    ])
}

fn login_name(login: &super::Login) -> &str {
    &login.account.name
}

fn config(plan: &Plan) -> String {
    let (file, listen) = (|name| plan.folder.file(name), plan.listen);
    let mut text = format!(
        "# Mosquitto for the site {site}: murmur site broker mosquitto

listener {port} {address}
max_connections {connections}
set_tcp_nodelay true
# The longest packet of a client, in bytes: whoever sends a longer one is cut off before it is read.
max_packet_size {bytes}
",
        site = plan.site,
        port = listen.port(),
        address = listen.ip(),
        bytes = plan.limits.0,
        connections = plan.limits.1,
    );
    if let Some(tls) = &plan.tls {
        let _ = write!(text, "certfile {}\nkeyfile {}\n", tls.cert, tls.key);
        if let Some(ca) = &tls.client_ca {
            let _ = write!(text, "cafile {ca}\nrequire_certificate true\n");
        }
    }
    let _ = write!(
        text,
        "
# Who may connect, and to which topics. Whoever has no login may do what stands first in the rules: join by a code.
password_file {passwords}
acl_file {rules}
allow_anonymous {anonymous}

# Mosquitto drops what exceeds the queue of a client that is a moment behind.
max_inflight_messages 1000
max_queued_messages {queue}

# Retained messages outlive a restart; of a crash they lose the last minute, which nodes say again.
persistence true
persistence_location {data}/
autosave_interval 60
",
        passwords = file(PASSWORDS),
        rules = file(RULES),
        anonymous = plan.anonymous.is_some(),
        queue = QUEUE.0 + QUEUE.1 * plan.logins.len(),
        data = plan.folder.0,
    );
    text
}

/// Rules before the first `user` are those of clients without a login.
fn rules(plan: &Plan) -> String {
    let mut text =
        format!("# What each account of the site {} may publish (write) and subscribe (read).\n", plan.site);
    let anonymous = plan.logins.iter().find(|login| plan.anonymous.as_ref() == Some(&login.account.name));
    if let Some(newcomer) = anonymous {
        text += "\n# Clients without a login.\n";
        text += &topics(&newcomer.account.rules);
    }
    for login in &plan.logins {
        let _ = write!(text, "\nuser {}\n{}", login_name(login), topics(&login.account.rules));
    }
    text
}

fn topics(rules: &Rules) -> String {
    let write = rules.publish.iter().map(|filter| format!("topic write {filter}\n"));
    let read = rules.subscribe.iter().map(|filter| format!("topic read {filter}\n"));
    write.chain(read).collect()
}
