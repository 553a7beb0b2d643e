//! Which process of this machine listens at an address: for servers that somebody else started, whose CPU time and memory count all the same.
use crate::failure::{Outcome, cannot};
use std::fs;
use std::net::{IpAddr, SocketAddr};

/// The state of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// # Errors
/// Where nobody listens there, or another user's process does.
pub(super) fn of(address: SocketAddr) -> Outcome<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let Some(inode) = tables.iter().find_map(|table| listening(table, address)) else {
        return cannot(format!("nothing listens at {address}"));
    };
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.into_iter().any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str()))
    };
    match numbers.find(has) {
        Some(pid) => Ok(pid),
        None => cannot(format!("the process that listens at {address} cannot be seen: run the bench as the same user")),
    }
}

/// The inode of the socket that listens on the port, at this address or at all.
fn listening(table: &str, address: SocketAddr) -> Option<u64> {
    let port = format!("{:04X}", address.port());
    let own = match address.ip() {
        IpAddr::V4(ip) => format!("{:08X}", u32::from_le_bytes(ip.octets())),
        IpAddr::V6(_) => String::new(),
    };
    table.lines().skip(1).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (at, on) = words.get(1)?.split_once(':')?;
        let is_here = at == own || at.bytes().all(|byte| byte == b'0') || at.len() > 8;
        let listens = on == port && is_here && *words.get(3)? == LISTEN;
        if listens { words.get(9)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listening_process_is_found_by_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(of(address).unwrap(), std::process::id());
        drop(listener);
        assert!(of(address).unwrap_err().to_string().contains("nothing listens"));
    }
}
