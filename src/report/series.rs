//! Series: a CSV file whose first column is the abscissa and whose other columns are numbers.

/// A file of series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// What the first column is.
    pub(super) abscissa: String,
    /// The abscissa of each row.
    pub(super) at: Vec<f64>,
    /// The other columns: name, and a number for each row; what is no number is a gap.
    pub(super) columns: Vec<(String, Vec<Option<f64>>)>,
}

impl Series {
    /// Reads a file. Columns without any number are left out.
    ///
    /// # Errors
    /// If it is no CSV file, or its first column holds something else than numbers.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(bytes);
        let heads = reader.headers().map_err(|e| e.to_string())?.clone();
        let mut columns: Vec<(String, Vec<Option<f64>>)> = heads.iter().map(|h| (h.to_owned(), vec![])).collect();
        for record in reader.records() {
            let record = record.map_err(|e| e.to_string())?;
            for ((_, values), cell) in columns.iter_mut().zip(record.iter()) {
                values.push(cell.trim().parse::<f64>().ok().filter(|n| n.is_finite()));
            }
        }
        if columns.is_empty() {
            return Err("it has no columns".into());
        }
        let (abscissa, at) = columns.remove(0);
        let at: Option<Vec<f64>> = at.into_iter().collect();
        let at = at.ok_or_else(|| format!("the first column, `{abscissa}`, does not hold numbers"))?;
        columns.retain(|(_, values)| values.iter().any(Option::is_some));
        if columns.is_empty() {
            return Err("it has no numbers to draw".into());
        }
        Ok(Self { abscissa, at, columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_gaps_and_text() {
        let series = Series::read(b"epoch,loss,name\n1,0.5,x\n2,NaN,y\n").unwrap();
        assert_eq!(series.abscissa, "epoch");
        assert_eq!(series.at, [1.0, 2.0]);
        assert_eq!(series.columns, [("loss".to_owned(), vec![Some(0.5), None])]);
        for bad in ["", "a,b\nx,1\n", "a,b\n1,x\n", "a,b\n1\n", "a\n1\n"] {
            assert!(Series::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
