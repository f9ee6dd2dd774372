//! Figures: how runs become a median, a table and JSON.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};

/// Which direction of a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better: a rate.
    Higher,
    /// Less is better: a time, a size.
    Lower,
    /// Nearer to 1 is better: a share of what is due.
    One,
}

impl Better {
    fn words(self) -> &'static str {
        match self {
            Self::Higher => "higher is better",
            Self::Lower => "lower is better",
            Self::One => "nearer to 1 is better",
        }
    }
}

/// Jain's index: 1 for equal shares, 1 / n where one of n has everything; NaN where nobody has anything.
pub(crate) fn fairness(shares: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for share in shares {
        sum += share;
        squares += share * share;
        count += 1.0;
    }
    sum * sum / (squares * count)
}

/// One figure of one contender: what the runs gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// What was measured. Rows with the same measure are compared.
    pub measure: String,
    /// Who did it, with its configuration.
    pub contender: String,
    /// The unit of the figures, such as `Gbit/s`.
    pub unit: String,
    /// Which direction is good.
    pub better: Better,
    /// The median of the runs.
    pub median: f64,
    /// The least of the runs.
    pub min: f64,
    /// The greatest of the runs.
    pub max: f64,
    /// How many runs there were.
    pub runs: usize,
}

/// A set of figures. `Display` prints it as a table.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The figures, in the order of their first run.
    pub rows: Vec<Row>,
    /// What could not be measured and why, and what went wrong while the rest was measured.
    pub notes: Vec<String>,
    #[serde(skip)]
    samples: Vec<Vec<f64>>,
}

impl Report {
    /// Adds one run's figure to the row of that measure and contender.
    pub fn add(&mut self, (measure, unit, better): (&str, &str, Better), contender: &str, value: f64) {
        let same = |row: &Row| row.measure == measure && row.contender == contender;
        let index = self.rows.iter().position(same).unwrap_or_else(|| {
            let (measure, contender, unit) = (measure.to_owned(), contender.to_owned(), unit.to_owned());
            self.rows.push(Row { measure, contender, unit, better, median: 0.0, min: 0.0, max: 0.0, runs: 0 });
            self.samples.push(Vec::new());
            self.rows.len() - 1
        });
        let (Some(row), Some(samples)) = (self.rows.get_mut(index), self.samples.get_mut(index)) else { return };
        samples.push(value);
        samples.sort_by(f64::total_cmp);
        row.median = median(samples);
        row.min = samples.first().copied().unwrap_or_default();
        row.max = samples.last().copied().unwrap_or_default();
        row.runs = samples.len();
    }

    /// Adds a run's figure, or notes once why there is none.
    pub fn add_result(&mut self, what: (&str, &str, Better), contender: &str, value: crate::Result<f64>) {
        match value {
            Ok(value) => self.add(what, contender, value),
            Err(error) => {
                self.note(format!("{}, {contender}: not measured: {error}", what.0));
            }
        }
    }

    /// Adds a remark, once.
    pub fn note(&mut self, line: String) {
        if !self.notes.contains(&line) {
            self.notes.push(line);
        }
    }

    /// Appends another report.
    pub fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.samples.extend(other.samples);
        self.notes.extend(other.notes);
    }

    /// The report as JSON, for machines.
    ///
    /// # Errors
    /// When a figure is not a finite number.
    pub fn to_json(&self) -> crate::Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }
}

/// The median of sorted values: the middle one, or the mean of the two in the middle.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(value), 1) => *value,
        (Some(value), _) => (value + sorted.get(middle.wrapping_sub(1)).unwrap_or(value)) / 2.0,
        (None, _) => f64::NAN,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut measures: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !measures.contains(&row.measure.as_str()) {
                measures.push(&row.measure);
            }
        }
        for measure in measures {
            let rows = || self.rows.iter().filter(|row| row.measure == measure);
            let Some(first) = rows().next() else { continue };
            writeln!(f, "{measure}, {} ({})", first.unit, first.better.words())?;
            let width = rows().map(|row| row.contender.chars().count()).max().unwrap_or_default();
            for row in rows() {
                let (median, min, max) = (number(row.median), number(row.min), number(row.max));
                writeln!(f, "  {:<width$}  {median:>10}   {min} to {max}, {} runs", row.contender, row.runs)?;
            }
            writeln!(f)?;
        }
        for line in &self.notes {
            writeln!(f, "note: {line}")?;
        }
        Ok(())
    }
}

/// Three significant digits, thousands apart.
fn number(value: f64) -> String {
    if value.abs() < 99.95 {
        let digits = if value.abs() < 0.9995 {
            3
        } else if value.abs() < 9.995 {
            2
        } else {
            1
        };
        return format!("{value:.digits$}");
    }
    let whole = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        let _ = write!(grouped, "{digit}");
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::{Better, Report, fairness, number};

    #[test]
    fn medians_and_order() {
        let mut report = Report::default();
        for value in [3.0, 1.0, 2.0, 10.0] {
            report.add(("bulk", "Gbit/s", Better::Higher), "a", value);
        }
        report.add(("bulk", "Gbit/s", Better::Higher), "b", 7.0);
        let row = &report.rows[0];
        assert_eq!((row.median, row.min, row.max, row.runs), (2.5, 1.0, 10.0, 4));
        assert_eq!(report.rows[1].median, 7.0);
        assert_eq!(report.rows.len(), 2);
    }

    #[test]
    fn numbers_read_well() {
        let texts = [0.1234, 1.0, 33.33, 785_123.4, 1234.0].map(number);
        assert_eq!(texts, ["0.123", "1.00", "33.3", "785,123", "1,234"]);
    }

    #[test]
    fn equal_shares_are_fair_and_one_who_has_everything_is_not() {
        assert_eq!(fairness([2.0, 2.0, 2.0]), 1.0);
        assert_eq!(fairness([3.0, 0.0, 0.0]), 1.0 / 3.0);
        assert!(fairness([0.0]).is_nan());
    }

    #[test]
    fn a_failure_is_told_once() {
        let mut report = Report::default();
        for _ in 0..2 {
            report.add_result(("wrk", "1/s", Better::Higher), "pasta", Err("not installed".into()));
        }
        assert_eq!(report.notes, ["wrk, pasta: not measured: not installed"]);
        assert!(report.to_string().contains("note: wrk, pasta: not measured: not installed"));
    }
}
