//! Line charts: one panel a column, one line a file of series.

use maud::{Markup, PreEscaped, html};

use crate::series::Series;
use crate::show::number::Precision;

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 190.0;
/// Room for the numbers of the axes: left at least, top, right, bottom.
const ROOM: [f64; 4] = [48.0, 10.0, 18.0, 34.0];
/// How wide a digit is at most.
const DIGIT: f64 = 6.4;
/// So many columns are drawn.
const PANELS: usize = 60;
/// So many lines can be told apart.
pub(super) const STYLES: usize = 6;

/// A panel for every column that any of the named files has. Names are shown in a legend where there are several files.
pub(super) fn panels(lines: &[(&str, &Series)]) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in lines.iter().flat_map(|(_, series)| &series.columns) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    html! {
        @if lines.len() > 1 {
            ul.legend {
                @for (i, (name, _)) in lines.iter().enumerate() {
                    li { svg.key width="28" height="10" aria-hidden="true" { path class=(style(i)) d="M1 5H27" fill="none" {} } (name) }
                }
            }
        }
        div.panels { @for name in names.iter().take(PANELS) { (panel(name, lines)) } }
        @if names.len() > PANELS { p.note { "and " (names.len() - PANELS) " more columns" } }
        @for (name, series) in lines {
            @for gap in series.gaps() {
                p.note { @if lines.len() > 1 { (name) ": " } "Not drawn: " (gap) "." }
            }
        }
    }
}

fn style(i: usize) -> String {
    format!("line s{}", i % STYLES)
}

/// One line of a panel: its name, and its points; `None` is a gap, which ends a stroke.
type Line<'a> = (&'a str, Vec<(f64, Option<f64>)>);

fn panel(column: &str, lines: &[(&str, &Series)]) -> Markup {
    let of = |series: &Series| -> Option<Vec<(f64, Option<f64>)>> {
        let (_, values) = series.columns.iter().find(|(name, _)| name == column)?;
        // A row without a number says nothing of the line: what is told every tenth step is a line, too.
        let told = series.at.iter().zip(values).filter_map(|(at, value)| Some((*at, (*value)?)));
        Some(told.map(|(at, value)| (at, Some(value).filter(|value| value.is_finite()))).collect())
    };
    let lines_here: Vec<(usize, Line<'_>)> =
        lines.iter().enumerate().filter_map(|(i, (name, series))| Some((i, (*name, of(series)?)))).collect();
    let points = || lines_here.iter().flat_map(|(_, (_, points))| points);
    // A line that ends early, or with a gap, is seen to do so: the abscissa has room for all rows.
    let rows = lines_here.iter().flat_map(|(i, _)| lines[*i].1.at.iter().copied());
    let (x, y) = (Axis::along(rows), Axis::new(points().filter_map(|p| p.1)));
    let abscissa = lines.first().map_or("", |(_, series)| series.abscissa.as_str());
    let widest = y.ticks().map(|tick| y.label(tick).chars().count()).max().unwrap_or_default();
    let left = ROOM[0].max(8.0 + DIGIT * widest as f64);
    let px = |v: f64| left + x.share(v) * (WIDTH - left - ROOM[2]);
    let py = |v: f64| HEIGHT - ROOM[3] - y.share(v) * (HEIGHT - ROOM[1] - ROOM[3]);
    let told = lines_here.iter().map(|(_, (name, points))| {
        let last = points.iter().rev().find_map(|(_, y)| *y).map_or_else(String::new, |v| Precision::of([v]).show(v));
        let ends =
            if points.last().is_some_and(|(_, y)| y.is_none()) { "has a gap at its end, after" } else { "ends at" };
        if name.is_empty() { format!("{ends} {last}") } else { format!("{name} {ends} {last}") }
    });
    let told = format!("{column} by {abscissa}: {}", told.collect::<Vec<_>>().join(", "));
    html! {
        figure.panel {
            figcaption { (column) }
            svg.chart role="img" aria-label=(told) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) width=(WIDTH) height=(HEIGHT) {
                @for tick in y.ticks() {
                    path.grid d=(format!("M{left} {:.1}H{}", py(tick), WIDTH - ROOM[2])) fill="none" {}
                    text.tick x=(left - 6.0) y=(format!("{:.1}", py(tick) + 4.0)) text-anchor="end" { (y.label(tick)) }
                }
                @for tick in x.ticks() {
                    text.tick x=(format!("{:.1}", px(tick))) y=(HEIGHT - ROOM[3] + 16.0) text-anchor="middle" { (x.label(tick)) }
                }
                text.axis x=((left + WIDTH - ROOM[2]) / 2.0) y=(HEIGHT - 3.0) text-anchor="middle" { (abscissa) }
                @for (i, (_, points)) in &lines_here {
                    path class=(style(*i)) fill="none" d=(stroke(points, &px, &py)) {}
                }
            }
        }
    }
}

fn stroke(points: &[(f64, Option<f64>)], px: &dyn Fn(f64) -> f64, py: &dyn Fn(f64) -> f64) -> PreEscaped<String> {
    let mut path = String::new();
    for part in points.split(|(_, y)| y.is_none()) {
        let drawn = part.iter().filter_map(|(x, y)| Some((px(*x), py((*y)?)))).collect();
        for (i, (x, y)) in thinned(drawn).into_iter().enumerate() {
            path += &format!("{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" });
        }
        // A point alone is drawn as a dot by its round cap.
        if part.len() == 1 {
            path += "h0";
        }
    }
    PreEscaped(path)
}

/// Of neighbours in the same quarter of a unit of width: the first, the lowest, the highest and the last. A line through these covers what a
/// line through all of them does, and a file of a million rows makes no page of many megabytes (M4: Jugel et al., "M4: A
/// Visualization-Oriented Time Series Data Aggregation", 2014).
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let column = |x: f64| (x * 4.0).floor();
    let mut kept = Vec::new();
    for run in points.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let of = |better: fn(f64, f64) -> bool| {
            (0..run.len()).reduce(|best, i| if better(run[i].1, run[best].1) { i } else { best }).unwrap_or(0)
        };
        let mut places = [0, of(|a, b| a < b), of(|a, b| a > b), run.len() - 1];
        places.sort_unstable();
        let different = places.iter().enumerate().filter(|(i, place)| *i == 0 || places[i - 1] != **place);
        kept.extend(different.map(|(_, place)| run[*place]));
    }
    kept
}

/// What a step may begin with.
const NICE: [f64; 5] = [1.0, 2.0, 2.5, 5.0, 10.0];

/// A range narrower than this share of its numbers is drawn as a line that goes straight on.
const NARROW: f64 = 1e-9;

/// The least round number that is not below `raw`.
fn round(raw: f64, mantissas: &[f64]) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    mantissas.iter().map(|m| m * power).find(|step| *step >= raw * 0.999).unwrap_or(power)
}

/// The range of some finite numbers, `None` if there are none; and whether it is wide enough to be divided.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64, bool)> {
    let (low, high) = values.map(|v| (v, v)).reduce(|(l, h), (v, _)| (l.min(v), h.max(v)))?;
    // Halves, because the whole may be no number.
    let half = high / 2.0 - low / 2.0;
    Some((low, high, half > NARROW * low.abs().max(high.abs()) && half > f64::MIN_POSITIVE * 1e10))
}

/// The range of an axis.
struct Axis {
    low: f64,
    high: f64,
    step: f64,
}

impl Axis {
    /// The range widened to round numbers.
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let (low, high, wide) = range(values).unwrap_or((0.0, 1.0, true));
        let quarter = if wide { high / 4.0 - low / 4.0 } else { low.abs().max(1.0) * 0.025 };
        let step = round(quarter, &NICE);
        let first = (low / step).floor();
        let most = |value: f64| value.clamp(-f64::MAX, f64::MAX);
        Self { low: most(first * step), high: most((high / step).ceil().max(first + 1.0) * step), step }
    }

    /// The range itself, for an abscissa; whole numbers have whole numbers between them.
    fn along(values: impl Iterator<Item = f64> + Clone) -> Self {
        let whole = values.clone().all(|v| v.fract() == 0.0);
        let step = if whole { 1.0 } else { 0.5 };
        match range(values) {
            None => Self { low: 0.0, high: 1.0, step },
            Some((low, high, false)) => {
                let room = (low.abs() * 1e-3).max(0.5);
                let most = |value: f64| value.clamp(-f64::MAX, f64::MAX);
                Self { low: most(low - room), high: most(high + room), step: step * room * 2.0 }
            }
            // A step of 2.5 falls between whole numbers.
            Some((low, high, true)) => {
                let step = match whole {
                    true => round(high / 6.0 - low / 6.0, &[1.0, 2.0, 5.0, 10.0]).max(1.0),
                    false => round(high / 4.0 - low / 4.0, &NICE),
                };
                Self { low, high, step }
            }
        }
    }

    fn share(&self, value: f64) -> f64 {
        (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + use<'_> {
        let first = (self.low / self.step - 1e-6).ceil();
        let count = (self.high / self.step - first + 1e-6).floor().clamp(0.0, 50.0) as usize;
        (0..=count).map(move |i| self.step * (first + i as f64)).filter(|tick| tick.is_finite())
    }

    fn label(&self, tick: f64) -> String {
        let largest = self.low.abs().max(self.high.abs());
        if tick == 0.0 && !(1e-4..1e7).contains(&largest) {
            return "0".to_owned();
        }
        if !(1e-4..1e7).contains(&largest) {
            let digits = (largest.log10().floor() - self.step.log10().floor() + 1.0).clamp(0.0, 12.0);
            return Precision::Scientific(digits as usize).show(tick);
        }
        let decimals = (-self.step.log10().floor()).clamp(0.0, 15.0) as usize;
        // A step of 2.5 needs a digit more.
        let finer = (self.step * 10_f64.powi(decimals as i32)).fract().abs() > 1e-9;
        Precision::Decimals(decimals + usize::from(finer)).show(tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64]) -> Vec<String> {
        let axis = Axis::new(values.iter().copied());
        axis.ticks().map(|tick| axis.label(tick)).collect()
    }

    #[test]
    fn ticks_are_round_numbers_around_the_values() {
        assert_eq!(labels(&[1.0, 10.0]), ["0.0", "2.5", "5.0", "7.5", "10.0"]);
        assert_eq!(labels(&[0.91, 0.98]), ["0.90", "0.92", "0.94", "0.96", "0.98"]);
        assert!(labels(&[5.0]).len() >= 2);
        assert_eq!(labels(&[]), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
    }

    #[test]
    fn an_abscissa_is_the_range_itself_and_whole_where_its_values_are() {
        let labels = |values: &[f64]| {
            let axis = Axis::along(values.iter().copied());
            (axis.low, axis.high, axis.ticks().map(|tick| axis.label(tick)).collect::<Vec<_>>())
        };
        let texts = |texts: &[&str]| texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
        assert_eq!(labels(&[1.0, 2.0, 10.0]), (1.0, 10.0, texts(&["2", "4", "6", "8", "10"])));
        assert_eq!(labels(&[1.0, 2.0, 3.0]), (1.0, 3.0, texts(&["1", "2", "3"])));
        assert_eq!(labels(&[4.0]), (3.5, 4.5, texts(&["4"])));
        assert_eq!(labels(&[0.0, 0.5, 1.0]), (0.0, 1.0, texts(&["0.00", "0.25", "0.50", "0.75", "1.00"])));
    }

    #[test]
    fn a_gap_ends_a_stroke() {
        let points = [(0.0, Some(1.0)), (1.0, None), (2.0, Some(3.0)), (3.0, Some(4.0))];
        assert_eq!(stroke(&points, &|x| x, &|y| y).0, "M0.0 1.0h0M2.0 3.0L3.0 4.0");
    }

    #[test]
    fn a_long_line_keeps_the_ends_and_extremes_of_each_column() {
        // 100,000 points in ten columns, with one peak and one dip that no other point comes near.
        let mut points: Vec<(f64, f64)> =
            (0..100_000).map(|i| (f64::from(i) / 40_000.0, f64::from(i % 7) / 10.0)).collect();
        points[33_333].1 = 50.0;
        points[77_777].1 = -50.0;
        let kept = thinned(points.clone());
        assert!((20..=40).contains(&kept.len()), "{}", kept.len());
        assert!(kept.contains(&points[33_333]) && kept.contains(&points[77_777]));
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
        assert!(kept.iter().map(|(x, _)| x).is_sorted());
    }

    #[test]
    fn a_short_line_is_drawn_as_it_is() {
        let points: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(i), f64::from(i * 37 % 11))).collect();
        assert_eq!(thinned(points.clone()), points);
        // A line that comes back is no shorter: its neighbours lie in different columns.
        let zigzag: Vec<(f64, f64)> = (0..100).map(|i| (f64::from(i % 2), f64::from(i))).collect();
        assert_eq!(thinned(zigzag.clone()), zigzag);
    }

    #[test]
    fn no_range_is_too_wide_or_too_narrow_to_be_drawn() {
        let (most, least) = (f64::MAX, f64::MIN_POSITIVE);
        let ranges: [&[f64]; 11] = [
            &[-most, most],
            &[0.0, most],
            &[most],
            &[-most],
            &[0.0, 5e-324],
            &[0.0, least],
            &[1e-300, 2e-300],
            &[1.0, 1.0 + f64::EPSILON],
            &[1e300, 1e300 * (1.0 + f64::EPSILON)],
            &[-1e-5, 1e-5],
            &[1.7e9, 1.7e9 + 60.0],
        ];
        for values in ranges {
            for axis in [Axis::new(values.iter().copied()), Axis::along(values.iter().copied())] {
                assert!(axis.low < axis.high && axis.step > 0.0, "{values:?}: {} {}", axis.low, axis.high);
                assert!(values.iter().all(|v| (-0.001..=1.001).contains(&axis.share(*v))), "{values:?}");
                let labels: Vec<String> = axis.ticks().map(|tick| axis.label(tick)).collect();
                assert!(labels.len() < 60 && labels.iter().all(|label| label.len() < 24), "{values:?}: {labels:?}");
            }
        }
        assert_eq!(labels(&[0.0, 4e-6]), ["0", "1.0e-6", "2.0e-6", "3.0e-6", "4.0e-6"]);
        assert_eq!(labels(&[0.0, 4e9]), ["0", "1.0e9", "2.0e9", "3.0e9", "4.0e9"]);
    }

    #[test]
    fn rows_without_a_number_do_not_cut_a_line() {
        // As Lightning's CSVLogger writes: one row for the training, one for the validation.
        let series = Series::read(b"step,val,loss\n1,,0.5\n1,0.6,\n2,,0.4\n2,0.5,\n3,,0.3\n").unwrap();
        let page = panels(&[("", &series)]).into_string();
        assert!(!page.contains("h0") && !page.contains("gap"), "{page}");
        assert!(page.contains("loss by step: ends at 0.3000"), "{page}");
    }

    #[test]
    fn what_is_not_drawn_is_said() {
        let series = Series::read(b"step,loss,acc\n1,nan,0.5\n2,inf,nan\nnan,1,1\n").unwrap();
        let page = panels(&[("", &series)]).into_string();
        assert_eq!(page.matches("<figure").count(), 1, "{page}");
        assert!(page.contains("Not drawn: no finite number: `loss`."), "{page}");
        assert!(page.contains("Not drawn: 1 row without a finite abscissa."), "{page}");
        assert!(page.contains("has a gap at its end, after 0.5000") && !page.contains("NaN"), "{page}");
    }
}
