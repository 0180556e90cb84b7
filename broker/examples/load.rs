//! How much a broker carries: publishers with a window of unacknowledged QoS 1 messages, subscribers that
//! acknowledge, then idle connections. Starts `smc-broker` from the folder above its own, or loads the broker
//! at `--address`, which has to accept any client as `reader` or `agent-N`.
//!
//! ```text
//! cargo build --release -p smc-broker --bins --examples
//! target/release/examples/load --publishers 100 --subscribers 3
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use smc_broker::{Password, PasswordHash};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Loads a broker and prints one JSON object.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// The broker to load instead of one started here.
    #[arg(long)]
    address: Option<SocketAddr>,
    /// Process whose memory and CPU time are read, with --address.
    #[arg(long)]
    pid: Option<u32>,
    #[arg(long, default_value_t = 100)]
    publishers: usize,
    #[arg(long, default_value_t = 3)]
    subscribers: usize,
    /// Every subscriber gets every message, instead of its share of them.
    #[arg(long)]
    fan_out: bool,
    /// Bytes of payload.
    #[arg(long, default_value_t = 300)]
    bytes: usize,
    /// Unacknowledged messages per publisher.
    #[arg(long, default_value_t = 10)]
    window: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections that are opened and left idle after the load.
    #[arg(long, default_value_t = 1_000)]
    idle: usize,
    /// Idle connections subscribe to the presence of all nodes, as agents do.
    #[arg(long)]
    idle_subscribed: bool,
}

#[derive(Default)]
struct Tally {
    sent: AtomicU64,
    acknowledged: AtomicU64,
    received: AtomicU64,
    /// Microseconds from encoding to decoding, one per batch.
    latencies: Mutex<Vec<u64>>,
    stop: AtomicBool,
}

fn main() {
    let arguments = Arguments::parse();
    rlimit::increase_nofile_limit(rlimit::INFINITY).expect("limit of open files");
    let mut started = None;
    let (address, pid) = match arguments.address {
        Some(address) => (address, arguments.pid),
        None => {
            let broker = start_broker(arguments.publishers, arguments.idle);
            let place = (broker.1, Some(broker.0.id()));
            started = Some(broker.0);
            place
        }
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let report = runtime.block_on(load(arguments, address, pid));
    println!("{report}");
    if let Some(mut child) = started {
        let ended = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(ended.unwrap().success() && child.wait().unwrap().success());
    }
}

fn start_broker(publishers: usize, idle: usize) -> (Child, SocketAddr) {
    let hash = PasswordHash::of_random_key(&Password::new(b"key")).unwrap();
    let mut config = String::from("site = \"bench\"\nlisten = \"127.0.0.1:0\"\n");
    // What is measured is how fast the broker is, not how fast it lets anybody be.
    config += "[limits.publish]\ndevice = { rate = 1000000, burst = 1000000 }\n";
    let mut account = |name: &str, role: &str, extra: &str| {
        writeln!(
            config,
            "[[account]]\nname = \"{name}\"\nrole = \"{role}\"\npassword_hash = \"{hash}\"\n{extra}"
        )
        .unwrap();
    };
    account("reader", "device", "subscribe = [\"share/+/+\"]");
    for index in 0..publishers {
        account(&format!("agent-{index}"), "device", &format!("publish = [\"share/+/agent-{index}\"]"));
    }
    for index in 0..idle {
        account(&format!("idle-{index}"), "device", "subscribe = [\"status/+\"]");
    }
    let exact: Vec<String> = (0..100).map(|index| format!("share/{index}/+")).collect();
    account("filters", "device", &format!("subscribe = {exact:?}"));
    let path = std::env::temp_dir().join(format!("smc-broker-load-{}.toml", std::process::id()));
    std::fs::write(&path, config).unwrap();
    let own = std::env::current_exe().unwrap();
    let program = own.parent().and_then(|examples| examples.parent()).unwrap().join("smc-broker");
    let mut child = Command::new(program)
        .arg("--config")
        .arg(&path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("target/release/smc-broker: build it with --bins");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    std::fs::remove_file(path).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
    (child, address)
}

async fn load(arguments: Arguments, address: SocketAddr, pid: Option<u32>) -> String {
    let rss_at_start = rss_kb(pid);
    let tally = Arc::new(Tally::default());
    let epoch = Instant::now();
    let mut subscribers = Vec::new();
    for index in 0..arguments.subscribers {
        let filter = if arguments.fan_out { "share/+/+".into() } else { format!("share/{index}/+") };
        let stream = connect(address, "reader", &format!("reader-{index}"), Some(&filter)).await;
        subscribers.push(tokio::spawn(receive(stream, tally.clone(), epoch)));
    }
    let cpu_before = cpu_ms(pid);
    let start = Instant::now();
    let mut publishers = Vec::new();
    for index in 0..arguments.publishers {
        let name = format!("agent-{index}");
        let stream = connect(address, &name, &name, None).await;
        publishers.push(tokio::spawn(publish(stream, index, arguments.clone(), tally.clone(), epoch)));
    }
    tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
    tally.stop.store(true, Ordering::Relaxed);
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let copies = if arguments.fan_out { arguments.subscribers as u64 } else { 1 };
    let expected = tally.sent.load(Ordering::Relaxed) * copies;
    let deadline = Instant::now() + Duration::from_secs(5);
    while tally.received.load(Ordering::Relaxed) < expected && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let elapsed = start.elapsed().as_secs_f64();
    let cpu = cpu_ms(pid) - cpu_before;
    let rss_after = rss_kb(pid);
    subscribers.iter().for_each(tokio::task::JoinHandle::abort);
    let mut latencies = std::mem::take(&mut *tally.latencies.lock().unwrap());
    latencies.sort_unstable();
    let quantile = |q: f64| latencies.get((latencies.len() as f64 * q) as usize).copied().unwrap_or(0);
    let received = tally.received.load(Ordering::Relaxed);
    let before_idle = rss_kb(pid);
    let mut idle = Vec::new();
    for index in 0..arguments.idle {
        let filter = arguments.idle_subscribed.then_some("status/+");
        idle.push(connect(address, &format!("idle-{index}"), &format!("idle-{index}"), filter).await);
    }
    let with_idle = rss_kb(pid);
    format!(
        "{{\"sent_per_s\": {:.0}, \"delivered_per_s\": {:.0}, \"lost\": {}, \"cpu_us_per_delivery\": {:.1}, \
         \"latency_us\": {{\"p50\": {}, \"p99\": {}}}, \
         \"rss_kb\": {{\"start\": {rss_at_start}, \"after_load\": {rss_after}}}, \"idle_connection_kb\": {:.1}}}",
        tally.sent.load(Ordering::Relaxed) as f64 / elapsed,
        received as f64 / elapsed,
        expected.saturating_sub(received),
        cpu as f64 * 1_000.0 / received.max(1) as f64,
        quantile(0.5),
        quantile(0.99),
        (with_idle as f64 - before_idle as f64) / arguments.idle.max(1) as f64,
    )
}

/// Logs in and, with a filter, subscribes with QoS 1.
async fn connect(address: SocketAddr, account: &str, id: &str, filter: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let body = [&text("MQTT")[..], &[4, 0xC2, 0, 0], &text(id), &text(account), &text("key")].concat();
    stream.write_all(&[&[0x10, body.len() as u8][..], &body].concat()).await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0], "{account} is let in");
    if let Some(filter) = filter {
        let body = [&[0, 1][..], &text(filter), &[1]].concat();
        stream.write_all(&[&[0x82, body.len() as u8][..], &body].concat()).await.unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, [0x90, 3, 0, 1, 1], "{filter} is granted");
    }
    stream
}

async fn publish(
    mut stream: TcpStream,
    index: usize,
    arguments: Arguments,
    tally: Arc<Tally>,
    epoch: Instant,
) {
    let payload = vec![b'x'; arguments.bytes.max(8)];
    let mut acks = [0; 4_096];
    let (mut sent, mut acknowledged, mut partial) = (0_u64, 0_u64, 0);
    let mut out = Vec::new();
    loop {
        let stopping = tally.stop.load(Ordering::Relaxed);
        if stopping && acknowledged == sent {
            break;
        }
        while !stopping && sent - acknowledged < arguments.window as u64 {
            let topic = format!("share/{}/agent-{index}", sent as usize % arguments.subscribers);
            encode(&mut out, &topic, (sent % 65_535) as u16 + 1, &payload, epoch);
            sent += 1;
        }
        stream.write_all(&out).await.unwrap();
        out.clear();
        partial += stream.read(&mut acks).await.unwrap();
        acknowledged += partial as u64 / 4;
        partial %= 4;
    }
    tally.sent.fetch_add(sent, Ordering::Relaxed);
    tally.acknowledged.fetch_add(acknowledged, Ordering::Relaxed);
}

fn encode(out: &mut Vec<u8>, topic: &str, id: u16, payload: &[u8], epoch: Instant) {
    let remaining = 2 + topic.len() + 2 + payload.len();
    out.extend([0x32, (remaining & 0x7f) as u8 | 0x80, (remaining >> 7) as u8]);
    out.extend(text(topic));
    out.extend(id.to_be_bytes());
    out.extend((epoch.elapsed().as_nanos() as u64).to_be_bytes());
    out.extend_from_slice(&payload[8..]);
}

async fn receive(mut stream: TcpStream, tally: Arc<Tally>, epoch: Instant) {
    let mut buffer: Vec<u8> = Vec::with_capacity(1 << 17);
    let mut acks = Vec::new();
    loop {
        stream.read_buf(&mut buffer).await.unwrap();
        let mut used = 0;
        let mut count = 0;
        let mut sample = None;
        while let Some((len, id, stamp)) = frame(&buffer[used..]) {
            used += len;
            count += 1;
            sample.get_or_insert(stamp);
            acks.extend([0x40, 2]);
            acks.extend(id);
        }
        buffer.drain(..used);
        if let Some(stamp) = sample {
            tally.latencies.lock().unwrap().push((epoch.elapsed().as_nanos() as u64 - stamp) / 1_000);
        }
        tally.received.fetch_add(count, Ordering::Relaxed);
        stream.write_all(&acks).await.unwrap();
        acks.clear();
    }
}

/// Length, packet id and time stamp of the PUBLISH at the front, if it is whole.
fn frame(bytes: &[u8]) -> Option<(usize, [u8; 2], u64)> {
    let (mut remaining, mut header) = (0, 1);
    loop {
        let byte = *bytes.get(header)?;
        remaining |= usize::from(byte & 0x7f) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let body = bytes.get(header..header + remaining)?;
    let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let stamp = body.get(4 + topic..12 + topic)?.try_into().ok()?;
    Some((header + remaining, [body[2 + topic], body[3 + topic]], u64::from_be_bytes(stamp)))
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn rss_kb(pid: Option<u32>) -> u64 {
    let status =
        pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok()).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// User and system time in milliseconds, from ticks of 10 ms.
fn cpu_ms(pid: Option<u32>) -> u64 {
    let stat =
        pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10
}
