//! Series: a CSV file whose first column is the abscissa and whose other columns are numbers, or lines of JSON.

mod lines;

use crate::text;

/// A file of series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// What the first column is.
    pub(crate) abscissa: String,
    /// The abscissa of each row that has one.
    pub(crate) at: Vec<f64>,
    /// The other columns that have a finite number: name, and for each row a number, if the row has one. One that is not finite is a gap.
    pub(crate) columns: Vec<(String, Vec<Option<f64>>)>,
    /// The columns that are to hold numbers, none of which is finite.
    pub(crate) blank: Vec<String>,
    /// How many rows are left out because their abscissa is not finite.
    pub(crate) astray: usize,
}

impl Series {
    /// Reads a file. Columns of text are left out.
    ///
    /// # Errors
    /// If it is no CSV file of at least two columns, or its first column holds something else than numbers.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = text::of(bytes).map_err(|e| format!("not a CSV file of series: {e}"))?;
        if text.trim_start().starts_with('{') {
            return lines::read(text);
        }
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let heads = reader.headers().map_err(|e| format!("not a CSV file of series: {e}"))?.clone();
        if heads.len() < 2 {
            let hint = separator(&heads).map_or_else(String::new, |hint| format!("; {hint}"));
            let text = "a file of series has a header and two columns or more, the first of them the abscissa";
            return Err(format!("{text}{hint}"));
        }
        let mut heads = heads.iter().map(|head| head.trim().to_owned());
        let abscissa = heads.next().unwrap_or_default();
        let mut columns: Vec<Column> = heads.map(Column::new).collect();
        let (mut at, mut astray) = (Vec::new(), 0);
        for record in reader.records() {
            let record = record.map_err(|e| format!("not a CSV file of series: {e}"))?;
            let mut cells = record.iter();
            let first = cells.next().unwrap_or_default();
            let Some(place) = number(first) else {
                let line = record.position().map_or(0, csv::Position::line);
                return Err(format!(
                    "`{}` in line {line} is no number: the first column of series is the abscissa",
                    first.escape_debug()
                ));
            };
            if !place.is_finite() {
                astray += 1;
                continue;
            }
            at.push(place);
            columns.iter_mut().zip(cells).for_each(|(column, cell)| column.take(cell));
        }
        let rows = !at.is_empty();
        let blank = columns.iter().filter(|column| rows && !column.drawn && !column.text);
        let blank = blank.map(|column| column.name.clone()).collect();
        let columns = columns.into_iter().filter(|column| column.drawn).map(|column| (column.name, column.values));
        Ok(Self { abscissa, at, columns: columns.collect(), blank, astray })
    }

    /// Of columns that are at hand.
    pub(crate) fn of(abscissa: &str, at: Vec<f64>, columns: Vec<(String, Vec<Option<f64>>)>) -> Self {
        let (columns, blank): (Vec<_>, Vec<_>) =
            columns.into_iter().partition(|(_, values)| values.iter().flatten().any(|value| value.is_finite()));
        let blank = blank.into_iter().map(|(name, _)| name).collect();
        Self { abscissa: abscissa.to_owned(), at, columns, blank, astray: 0 }
    }

    /// What of it is not drawn, in a few words each.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        if !self.blank.is_empty() {
            let names: Vec<String> = self.blank.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
            gaps.push(format!("no finite number: {}", names.join(", ")));
        }
        if self.astray > 0 {
            let rows = if self.astray == 1 { "row" } else { "rows" };
            gaps.push(format!("{} {rows} without a finite abscissa", self.astray));
        }
        gaps
    }
}

/// A column while it is read.
struct Column {
    name: String,
    values: Vec<Option<f64>>,
    /// Whether it has a finite number.
    drawn: bool,
    /// Whether it has a text that is no number.
    text: bool,
}

impl Column {
    fn new(name: String) -> Self {
        Self { name, values: vec![], drawn: false, text: false }
    }

    fn take(&mut self, cell: &str) {
        let value = number(cell);
        self.text |= value.is_none();
        self.drawn |= value.is_some_and(f64::is_finite);
        self.values.push(value.filter(|_| !cell.trim().is_empty()));
    }
}

/// A cell as a number: an empty one is none that is finite.
fn number(cell: &str) -> Option<f64> {
    let cell = cell.trim();
    if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() }
}

/// What to do where a header has one column because others than commas separate them.
pub(crate) fn separator(heads: &csv::StringRecord) -> Option<String> {
    let [only] = heads.iter().collect::<Vec<_>>()[..] else { return None };
    let (found, name) = [(';', "semicolons"), ('\t', "tabs")].into_iter().find(|(c, _)| only.contains(*c))?;
    let columns = only.split(found).count();
    Some(format!("{name} seem to separate its {columns} columns: write commas"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Series {
        Series::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_gaps_and_text() {
        let series = read("epoch,loss,name\n1,0.5,x\n2,NaN,y\n3,-inf,z\n4,,\n");
        assert_eq!(series.abscissa, "epoch");
        assert_eq!(series.at, [1.0, 2.0, 3.0, 4.0]);
        let [(name, values)] = series.columns.as_slice() else { panic!("{:?}", series.columns) };
        assert_eq!(
            (name.as_str(), values[0], values[2], values[3]),
            ("loss", Some(0.5), Some(f64::NEG_INFINITY), None)
        );
        assert!(values[1].is_some_and(f64::is_nan), "{values:?}");
        assert_eq!(series.gaps(), Vec::<String>::new());
        for bad in ["", "a,b\nx,1\n", "a,b\n1\n", "a\n1\n", "a;b\n1;2\n"] {
            assert!(Series::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_finite_is_a_gap_and_told() {
        let series = read("\u{feff}step,loss,acc,name\nnan,1,2,x\n1,nan,2,x\n2,inf,,x\n,5,6,x\n");
        assert_eq!((series.abscissa.as_str(), &series.at[..], series.astray), ("step", &[1.0, 2.0][..], 2));
        assert_eq!(series.columns, [("acc".to_owned(), vec![Some(2.0), None])]);
        assert_eq!(series.gaps(), ["no finite number: `loss`", "2 rows without a finite abscissa"]);
        assert!(read("a,b\n").columns.is_empty());
        assert!(read("a,b\n1,x\n").blank.is_empty(), "text is no number that is missing");
    }

    #[test]
    fn other_separators_are_told() {
        let why = Series::read(b"step;loss;acc\n1;2;3\n").unwrap_err();
        assert!(why.ends_with("semicolons seem to separate its 3 columns: write commas"), "{why}");
    }
}
