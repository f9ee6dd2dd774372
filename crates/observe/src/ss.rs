//! Tables as `ss -tino` and `ss -ltn` print them, from [`Info`](bowline_tcp::info::Info) and
//! [`ListenerInfo`](bowline_tcp::info::ListenerInfo).
//!
//! [`row`] is one socket as plain values, also in JSON; [`detail`] is the line below it; [`filter`] chooses rows by
//! `ss`'s own expressions; [`table`] lays them out.
//!
//! ```
//! use bowline_observe::ss::{Filter, Row, table};
//!
//! let rows: Vec<Row> = Vec::new(); // Row::connection(&info) for each
//! let filter: Filter = "state syn-recv dport = :443".parse().expect("a filter");
//! let chosen: Vec<&Row> = rows.iter().filter(|row| filter.accepts(row)).collect();
//! print!("{}", table::render(&chosen, &table::Columns::default()));
//! ```

pub mod detail;
pub mod filter;
pub mod row;
pub mod table;

pub use filter::{Family, Filter, FilterError};
pub use row::{Row, Timer};

#[cfg(test)]
mod tests;
