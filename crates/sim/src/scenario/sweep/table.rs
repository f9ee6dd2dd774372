//! The table of a sweep, by columns, as CSV and as Parquet.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{ConvertedType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use toml::Value;

use super::super::report::FlowReport;
use super::{Axis, Point};

/// A column's values, one for each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Names.
    Text(Vec<String>),
    /// Counts.
    Count(Vec<i64>),
    /// Measures; `None` where there is none.
    Measure(Vec<Option<f64>>),
}

/// A table: its columns by name, all of one length.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows(pub Vec<(String, Column)>);

pub(super) fn rows(axes: &[Axis], points: &[Point]) -> Rows {
    let each = || points.iter().flat_map(|point| point.report.flows.iter().map(move |flow| (point, flow)));
    let text = |of: &dyn Fn(&Point, &FlowReport) -> String| Column::Text(each().map(|(p, f)| of(p, f)).collect());
    let count = |of: &dyn Fn(&Point, &FlowReport) -> u64| {
        Column::Count(each().map(|(p, f)| i64::try_from(of(p, f)).unwrap_or(i64::MAX)).collect())
    };
    let measure =
        |of: &dyn Fn(&Point, &FlowReport) -> Option<f64>| Column::Measure(each().map(|(p, f)| of(p, f)).collect());
    let waits = |p: &Point, of: &dyn Fn((f64, f64)) -> f64| {
        p.report
            .links
            .iter()
            .map(|link| of(link.wait))
            .fold(None, |most: Option<f64>, w| Some(most.map_or(w, |m| m.max(w))))
    };
    let mut columns: Vec<(String, Column)> = axes
        .iter()
        .enumerate()
        .map(|(place, axis)| {
            let whole: Option<Vec<i64>> =
                each().map(|(p, _)| p.values.get(place).and_then(Value::as_integer)).collect();
            let column = whole.map(Column::Count);
            let column = column.unwrap_or_else(|| text(&|p, _| p.values.get(place).map_or_else(String::new, plain)));
            (axis.path.clone(), column)
        })
        .collect();
    let fixed = [
        ("flow", text(&|_, f| f.name.clone())),
        ("kind", text(&|_, f| f.kind.to_owned())),
        ("done", count(&|_, f| u64::from(f.done))),
        ("bytes", count(&|_, f| f.bytes)),
        ("seconds", measure(&|_, f| f.seconds)),
        ("goodput_bits_per_second", measure(&|_, f| Some(f.goodput))),
        ("retransmitted_bytes", count(&|_, f| f.retransmitted_bytes)),
        ("retransmitted_segments", count(&|_, f| f.retransmitted_segments)),
        ("timeouts", count(&|_, f| f.timeouts)),
        ("rtt_min_seconds", measure(&|_, f| f.rtt.map(|rtt| rtt.0))),
        ("rtt_smoothed_seconds", measure(&|_, f| f.rtt.map(|rtt| rtt.1))),
        ("answer_p50_seconds", measure(&|_, f| f.answers.map(|a| a.p50))),
        ("answer_p99_seconds", measure(&|_, f| f.answers.map(|a| a.p99))),
        ("total_goodput_bits_per_second", measure(&|p, _| Some(p.report.goodput))),
        ("total_fairness", measure(&|p, _| p.report.fairness)),
        ("total_retransmitted_share", measure(&|p, _| Some(p.report.retransmitted))),
        ("longest_queue_mean_seconds", measure(&|p, _| waits(p, &|wait| wait.0))),
        ("longest_queue_p99_seconds", measure(&|p, _| waits(p, &|wait| wait.1))),
    ];
    columns.extend(fixed.map(|(name, column)| (name.to_owned(), column)));
    Rows(columns)
}

/// A value as it was asked for, without TOML's quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Rows {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.first().map_or(0, |(_, column)| match column {
            Column::Text(values) => values.len(),
            Column::Count(values) => values.len(),
            Column::Measure(values) => values.len(),
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes it as CSV, with a line of names.
    ///
    /// # Errors
    /// As `out` does.
    pub fn write_csv(&self, out: impl Write) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(self.0.iter().map(|(name, _)| name))?;
        for row in 0..self.len() {
            writer.write_record(self.0.iter().map(|(_, column)| column.cell(row)))?;
        }
        writer.flush()
    }

    /// Writes it as Parquet.
    ///
    /// # Errors
    /// As `out` does.
    pub fn write_parquet(&self, out: impl Write + Send) -> io::Result<()> {
        self.parquet(out).map_err(io::Error::other)
    }

    fn parquet(&self, out: impl Write + Send) -> Result<(), ParquetError> {
        let fields = self.0.iter().map(|(name, column)| column.field(name).map(Arc::new)).collect::<Result<_, _>>()?;
        let schema = Type::group_type_builder("flows").with_fields(fields).build()?;
        let mut file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(WriterProperties::default()))?;
        let mut group = file.next_row_group()?;
        for (_, column) in &self.0 {
            let Some(writer) = group.next_column()? else { break };
            column.write(writer)?;
        }
        group.close()?;
        file.close().map(drop)
    }
}

impl Column {
    fn cell(&self, row: usize) -> String {
        match self {
            Self::Text(values) => values.get(row).cloned().unwrap_or_default(),
            Self::Count(values) => values.get(row).map_or_else(String::new, ToString::to_string),
            Self::Measure(values) => {
                values.get(row).copied().flatten().map_or_else(String::new, |value| value.to_string())
            }
        }
    }

    fn field(&self, name: &str) -> Result<Type, ParquetError> {
        let (physical, repetition) = match self {
            Self::Text(_) => (PhysicalType::BYTE_ARRAY, Repetition::REQUIRED),
            Self::Count(_) => (PhysicalType::INT64, Repetition::REQUIRED),
            Self::Measure(_) => (PhysicalType::DOUBLE, Repetition::OPTIONAL),
        };
        let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        match self {
            Self::Text(_) => builder.with_converted_type(ConvertedType::UTF8).build(),
            _ => builder.build(),
        }
    }

    fn write(&self, mut writer: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        match self {
            Self::Text(values) => {
                let bytes: Vec<ByteArray> = values.iter().map(|value| value.as_str().into()).collect();
                writer.typed::<ByteArrayType>().write_batch(&bytes, None, None)?;
            }
            Self::Count(values) => {
                writer.typed::<Int64Type>().write_batch(values, None, None)?;
            }
            Self::Measure(values) => {
                let present: Vec<f64> = values.iter().flatten().copied().collect();
                let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
                writer.typed::<DoubleType>().write_batch(&present, Some(&levels), None)?;
            }
        }
        writer.close()
    }
}
