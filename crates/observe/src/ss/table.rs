//! The layout of the table: columns as wide as their widest cell, numbers and addresses aligned as `ss` aligns them.

use std::net::{IpAddr, SocketAddr};

use super::detail;
use super::row::Row;

/// What the table shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Columns {
    /// The first line with the columns' names (`-H` switches it off); default true.
    pub header: bool,
    /// The State column; default true. `ss` leaves it out where the filter asks for one state.
    pub state: bool,
    /// The timer (`-o`); default true.
    pub timers: bool,
    /// The detail line (`-i`); default true.
    pub details: bool,
    /// Details on the socket's own line (`-O`); default false.
    pub one_line: bool,
}

impl Default for Columns {
    fn default() -> Self {
        Self { header: true, state: true, timers: true, details: true, one_line: false }
    }
}

/// The table. It ends in a newline, unless it is empty.
#[must_use]
pub fn render(rows: &[&Row], columns: &Columns) -> String {
    let mut cells: Vec<[String; 7]> = Vec::with_capacity(rows.len() + 1);
    if columns.header {
        let names = ["State", "Recv-Q", "Send-Q", "Local Address", "Port", "Peer Address", "Port"];
        cells.push(names.map(str::to_owned));
    }
    cells.extend(rows.iter().map(|row| cell_texts(row)));
    let mut widths = [0_usize; 7];
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.len());
        }
    }
    let mut out = String::new();
    for (number, line) in cells.iter().enumerate() {
        push_line(&mut out, line, &widths, columns.state);
        let row = number.checked_sub(usize::from(columns.header)).and_then(|number| rows.get(number));
        if let Some(row) = row {
            push_extras(&mut out, row, columns);
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

fn push_line(out: &mut String, cells: &[String; 7], widths: &[usize; 7], with_state: bool) {
    let [state, recv_q, send_q, local, local_port, peer, peer_port] = cells;
    let [w_state, w_recv, w_send, w_local, w_local_port, w_peer, w_peer_port] = widths;
    if with_state {
        out.push_str(&format!("{state:<w_state$} "));
    }
    out.push_str(&format!("{recv_q:<w_recv$} {send_q:<w_send$} {local:>w_local$}:{local_port:<w_local_port$} "));
    out.push_str(&format!("{peer:>w_peer$}:{peer_port:<w_peer_port$}"));
}

fn push_extras(out: &mut String, row: &Row, columns: &Columns) {
    if let Some(timer) = row.timer.as_ref().filter(|_| columns.timers) {
        out.push(' ');
        out.push_str(&detail::timer(timer));
    }
    if columns.details {
        let line = detail::line(row);
        if !line.is_empty() {
            out.truncate(out.trim_end_matches(' ').len());
            out.push_str(if columns.one_line { " " } else { "\n\t " });
            out.push_str(&line);
        }
    }
}

fn cell_texts(row: &Row) -> [String; 7] {
    let (local, local_port) =
        if row.any { ("*".to_owned(), port(row.local.port())) } else { (address(&row.local), port(row.local.port())) };
    let peer = if row.any { "*".to_owned() } else { address(&row.peer) };
    let queues = (row.recv_q.to_string(), row.send_q.to_string());
    [row.state.clone(), queues.0, queues.1, local, local_port, peer, port(row.peer.port())]
}

fn address(address: &SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn port(port: u16) -> String {
    if port == 0 { "*".to_owned() } else { port.to_string() }
}
