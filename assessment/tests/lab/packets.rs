//! What becomes of packets between two hosts.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use assessment::lab::{Host, Impairment, Lab, LabOptions, Link};

use crate::support::real;

/// Packets that follow each other at once: fewer than a socket holds that is not read.
const BURST: u16 = 150;

/// A socket on each of two hosts; what the first one sends, the other one gets.
struct Pair {
    lab: Lab,
    near: UdpSocket,
    far: UdpSocket,
    hosts: [Host; 2],
}

impl Pair {
    async fn with(impairment: Impairment) -> Option<Self> {
        Some(Self::of(real().await?, impairment).await)
    }

    async fn of(mut lab: Lab, impairment: Impairment) -> Self {
        let hosts = [lab.host("near").await.unwrap(), lab.host("far").await.unwrap()];
        let bind = |host: &Host| host.inside(|| UdpSocket::bind((host.address(), 0))).unwrap().unwrap();
        let (near, far) = (bind(&hosts[0]), bind(&hosts[1]));
        near.connect(far.local_addr().unwrap()).unwrap();
        far.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        lab.impair(impairment).unwrap();
        Self { lab, near, far, hosts }
    }

    /// How long packets take, one after the other, the fastest first.
    fn took(&self) -> Vec<Duration> {
        let mut took: Vec<_> = (0..15)
            .map(|_| {
                let sent = Instant::now();
                self.near.send(&[1]).unwrap();
                self.far.recv(&mut [0; 1]).unwrap();
                sent.elapsed()
            })
            .collect();
        took.sort();
        took
    }

    /// The numbers of the packets that arrive of a burst, as they arrive.
    fn burst(&self) -> Vec<u16> {
        for number in 0..BURST {
            self.near.send(&number.to_be_bytes()).unwrap();
        }
        let mut arrived = Vec::new();
        let mut number = [0; 2];
        while arrived.len() < usize::from(BURST) && self.far.recv(&mut number).is_ok() {
            arrived.push(u16::from_be_bytes(number));
        }
        arrived
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packet_takes_the_asked_latency() {
    let Some(pair) = Pair::with(Impairment { latency_ms: 20.0, ..Impairment::NONE }).await else { return };
    let took = pair.took();
    assert!(took[0] >= Duration::from_millis(20), "{took:?}");
    // Half of them, since this machine may have other things to do.
    assert!(took[7] < Duration::from_millis(24), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_are_lost_as_often_as_asked() {
    let Some(pair) = Pair::with(Impairment { loss_percent: 20.0, ..Impairment::NONE }).await else { return };
    let sent = usize::from(BURST) * 4;
    let lost = sent - (0..4).map(|_| pair.burst().len()).sum::<usize>();
    // 120 of 600, and four standard deviations to both sides.
    assert!((80..=160).contains(&lost), "{lost} of {sent}");
    let count = pair.lab.relay().unwrap();
    assert_eq!((count.lost_packets, count.dropped_packets), (lost as u64, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_keep_their_order_in_spite_of_jitter() {
    let asked = Impairment { latency_ms: 10.0, jitter_ms: 10.0, ..Impairment::NONE };
    let Some(pair) = Pair::with(asked).await else { return };
    assert_eq!(pair.burst(), (0..BURST).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_overtake_others_where_that_is_asked() {
    let asked = Impairment { latency_ms: 20.0, reorder_percent: 30.0, ..Impairment::NONE };
    let Some(pair) = Pair::with(asked).await else { return };
    let mut arrived = pair.burst();
    assert!(!arrived.is_sorted(), "{arrived:?}");
    arrived.sort_unstable();
    assert_eq!(arrived, (0..BURST).collect::<Vec<_>>(), "one was lost on the way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_more_than_the_line_keeps_is_dropped_and_counted() {
    // 64 KiB of packets of 1028 bytes, and the one that is on the line.
    let Some(pair) = Pair::with(Impairment { rate_mbit_s: Some(1.0), ..Impairment::NONE }).await else {
        return;
    };
    for _ in 0..BURST {
        pair.near.send(&[0; 1000]).unwrap();
    }
    let mut arrived = 0;
    while pair.far.recv(&mut [0; 1000]).is_ok() {
        arrived += 1;
    }
    // More where this test was kept from sending for so long that the line was free again.
    assert!((64..=90).contains(&arrived), "{arrived} of {BURST}");
    assert_eq!(pair.lab.relay().unwrap().dropped_packets, u64::from(BURST) - arrived);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wire_counts_whole_packets() {
    let Some(pair) = Pair::with(Impairment::NONE).await else { return };
    pair.burst();
    let [sent, received] = [pair.hosts[0].wire().unwrap(), pair.hosts[1].wire().unwrap()];
    // Nothing else passes on a network of the lab's own: no neighbour is looked for, no name asked.
    assert_eq!(sent.sent_packets, Some(u64::from(BURST)));
    // Two bytes, and the headers of UDP and IP.
    assert_eq!(sent.sent_bytes, u64::from(BURST) * 30);
    assert_eq!((received.received_packets, received.received_bytes), (sent.sent_packets, sent.sent_bytes));
    assert_eq!((received.sent_packets, sent.received_packets), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_kernel_emulates_a_network_itself_packets_meet_with_the_same() {
    let lab = match Lab::open(LabOptions { link: Link::Netem, ..LabOptions::default() }).await {
        Ok(lab) => lab,
        Err(error) => return eprintln!("not tested here: {error}"),
    };
    let pair = Pair::of(lab, Impairment { latency_ms: 20.0, jitter_ms: 10.0, ..Impairment::NONE }).await;
    assert!(pair.took()[0] >= Duration::from_millis(10));
    assert_eq!(pair.burst(), (0..BURST).collect::<Vec<_>>());
    // Those before, and nothing that was asked for on the network; and of their bytes IP's and UDP's, not Ethernet's.
    let [sent, received] = [pair.hosts[0].wire().unwrap(), pair.hosts[1].wire().unwrap()];
    assert_eq!(sent.sent_packets, Some(15 + u64::from(BURST)));
    assert_eq!(sent.sent_bytes, 15 * 29 + u64::from(BURST) * 30);
    assert_eq!((received.received_bytes, received.sent_packets), (sent.sent_bytes, Some(0)));
    pair.lab.impair(Impairment { loss_percent: 50.0, ..Impairment::NONE }).unwrap();
    let arrived = pair.burst().len();
    // 75 of 150, and four standard deviations to both sides.
    assert!((50..=100).contains(&arrived), "{arrived} of {BURST}");
}
