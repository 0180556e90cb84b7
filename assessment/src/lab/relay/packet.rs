//! What the relay reads of a packet.

use std::net::Ipv4Addr;

/// The largest packet: what Ethernet takes.
pub(crate) const MTU: usize = 1500;

/// Where an IPv4 packet goes; none if it is no such packet.
pub(super) fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let [first, ..] = packet else { return None };
    if first >> 4 != 4 {
        return None;
    }
    let octets: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_is_where_the_header_has_it() {
        let mut packet = [0; 20];
        packet[0] = 0x45;
        packet[16..20].copy_from_slice(&[10, 83, 0, 7]);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(10, 83, 0, 7)));
    }

    #[test]
    fn what_is_cut_or_of_another_version_goes_nowhere() {
        assert_eq!(destination(&[]), None);
        assert_eq!(destination(&[0x45; 19]), None);
        assert_eq!(destination(&[0x60; 40]), None);
    }
}
