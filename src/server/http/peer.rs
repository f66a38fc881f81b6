//! Where a connection comes from, as far as the kernel tells. It must never believe what the other side says of that.

use std::net::{IpAddr, Ipv6Addr};

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address, on a listener which is on loopback or not, with TLS or without.
    Address {
        /// Which.
        address: IpAddr,
        /// Whether the listener is on loopback.
        loopback: bool,
        /// Whether it is spoken to over TLS.
        secure: bool,
    },
    /// A user of this machine, over the socket.
    User {
        /// The user's number, as the kernel says.
        uid: u32,
    },
}

/// By what connections are counted, and strangers held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An address; of IPv6 the network, as whoever has one address of it has all of them.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
}

impl Peer {
    /// By what its connections are counted.
    pub fn origin(&self) -> Origin {
        match self {
            Self::User { uid } => Origin::User(*uid),
            Self::Address { address, .. } => Origin::Address(match address.to_canonical() {
                IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
                address @ IpAddr::V4(_) => address,
            }),
        }
    }

    /// Whether it comes from this machine, over a listener that nobody else can reach.
    pub fn is_local(&self) -> bool {
        match self {
            Self::User { .. } => true,
            Self::Address { loopback, .. } => *loopback,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_for_its_network() {
        let of =
            |address: &str| Peer::Address { address: address.parse().unwrap(), loopback: false, secure: true }.origin();
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
