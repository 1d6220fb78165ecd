//! What machine it is.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Document, Subject, end_of};
use crate::date::date;
use crate::error::Result;
use crate::host::Host;
use crate::report::size;

/// More than any of these files has.
const LIMIT: u64 = 256 << 10;

pub(super) fn describe(subject: &Subject<'_>, document: &mut Document) {
    let host = subject.context.host;
    let kernel = |path: &str| end_of(host, Path::new(path), LIMIT);
    document.section("versions", Ok(versions(subject)));
    let os_release = subject.layout.rooted("etc/os-release");
    document.section("operating system", operating_system(host, &os_release));
    document.section("kernel", kernel("/proc/version"));
    document.section("uptime and load", uptime(host));
    document.section("memory", kernel("/proc/meminfo").map(|text| memory(&text)));
    document.section("file systems", file_systems(subject));
    document.section("mounts", kernel("/proc/self/mounts"));
    document.section("addresses", Ok(addresses(host)));
    document.section("listening TCP ports", Ok(ports(host)));
}

fn versions(subject: &Subject<'_>) -> String {
    let host = subject.context.host;
    let release = subject.receipt.as_ref().map(|receipt| receipt.release.as_str());
    [
        (
            "installer",
            concat!(env!("CARGO_PKG_VERSION"), " for ", env!("TARGET")).to_owned(),
        ),
        ("product", subject.layout.product().to_string()),
        ("release", release.unwrap_or("none").to_owned()),
        ("root", host.root().display().to_string()),
        ("time", date(host.now())),
        (
            "started by",
            host.operator().unwrap_or_else(|| "an unknown user".to_owned()),
        ),
    ]
    .iter()
    .map(|(name, value)| format!("{name:<10} {value}\n"))
    .collect()
}

/// The file is a link on most machines, but never to a place that others write to.
fn operating_system(host: &Host, path: &Path) -> Result<String> {
    Ok(host.read_text(path)?)
}

fn uptime(host: &Host) -> Result<String> {
    let up = end_of(host, Path::new("/proc/uptime"), LIMIT)?;
    let load = end_of(host, Path::new("/proc/loadavg"), LIMIT)?;
    Ok(format!("up {}\nload {load}", since(&up)))
}

/// The first number of `/proc/uptime`, in units of people.
fn since(text: &str) -> String {
    let seconds = text.split(['.', ' ']).next().unwrap_or_default();
    let seconds: u64 = seconds.parse().unwrap_or_default();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{days} d {hours} h {minutes} min")
}

fn memory(text: &str) -> String {
    let told = |line: &&str| line.starts_with("Mem") || line.starts_with("Swap");
    text.lines()
        .filter(told)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Only those that the product lies on: one of a server that is gone would be waited for for ever.
fn file_systems(subject: &Subject<'_>) -> Result<String> {
    let layout = subject.layout;
    let prefix = subject.receipt.as_ref().map(|receipt| receipt.prefix.as_str());
    let paths = [
        layout.rooted(prefix.unwrap_or("opt")),
        layout.configuration(),
        layout.state(),
        layout.log(),
        layout.rooted("tmp"),
    ];
    let mut told = BTreeSet::new();
    let mut text = String::new();
    for path in paths {
        let found = subject.context.host.file_system(&path)?;
        if told.insert(found.device) {
            let inodes = found
                .free_inodes
                .map_or_else(|| "any number of".to_owned(), |free| free.to_string());
            let (read_only, noexec) = (
                if found.read_only { ", read-only" } else { "" },
                if found.noexec { ", noexec" } else { "" },
            );
            text.push_str(&format!(
                "{}: {} and {inodes} inodes free{read_only}{noexec}\n",
                found.mount_point.display(),
                size(found.free_bytes),
            ));
        }
    }
    Ok(text)
}

fn addresses(host: &Host) -> String {
    let addresses = host.own_addresses();
    addresses.iter().map(|address| format!("{address}\n")).collect()
}

fn ports(host: &Host) -> String {
    let listeners = host.listeners();
    let holders = host.holders(&listeners.iter().map(|listener| listener.socket).collect());
    let line = |port: u16, socket: u64| match holders.get(&socket) {
        Some(holder) => format!("{port:>5} {}, process {}\n", holder.name, holder.id),
        None => format!("{port:>5}\n"),
    };
    let lines = listeners
        .iter()
        .map(|listener| line(listener.port, listener.socket));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_shortened() {
        assert_eq!(since("273845.12 1000.00\n"), "3 d 4 h 4 min");
        assert_eq!(since(""), "0 d 0 h 0 min");
        let text = "MemTotal: 8 kB\nBuffers: 1 kB\nMemAvailable: 7 kB\nSwapTotal: 0 kB\n";
        assert_eq!(
            memory(text),
            "MemTotal: 8 kB\nMemAvailable: 7 kB\nSwapTotal: 0 kB\n"
        );
    }
}
