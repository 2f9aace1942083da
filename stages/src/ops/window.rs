//! Where a sliding window lies: padding and output sizes of convolutions and pools, in TensorFlow's sense.

use candle_core::{Result, bail};

/// What happens at the border of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// The output has `ceil(input / stride)` positions; an odd number of padded ones puts the extra one at the end, as
    /// TensorFlow and Keras do (PyTorch pads evenly, and differs for a stride above 1).
    Same,
    /// Only windows that lie inside; positions left over at the end are ignored.
    Valid,
}

impl Padding {
    /// The number of window positions along an axis; `None` when no window fits, or a size is 0.
    pub fn output_size(self, input: usize, window: usize, stride: usize) -> Option<usize> {
        if input == 0 || window == 0 || stride == 0 {
            return None;
        }
        match self {
            Padding::Same => Some(input.div_ceil(stride)),
            Padding::Valid => Some(input.checked_sub(window)? / stride + 1),
        }
    }
}

/// One axis of a sliding window: output `o` covers the inputs `o * stride - before .. o * stride - before + window`,
/// of which those outside `0..input` are padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) input: usize,
    pub(super) window: usize,
    pub(super) stride: usize,
    pub(super) output: usize,
    pub(super) before: usize,
}

impl Axis {
    pub(super) fn new(what: &str, padding: Padding, input: usize, window: usize, stride: usize) -> Result<Self> {
        let Some(output) = padding.output_size(input, window, stride) else {
            bail!(
                "{what}: a window of {window} with stride {stride} does not fit {input} positions ({padding:?} padding)"
            )
        };
        let total = ((output - 1) * stride + window).saturating_sub(input);
        Ok(Self { input, window, stride, output, before: if padding == Padding::Same { total / 2 } else { 0 } })
    }

    /// The input positions that all windows together span, padding included and leftovers excluded.
    pub(super) fn span(&self) -> usize {
        (self.output - 1) * self.stride + self.window
    }

    /// The padded positions after the last input.
    pub(super) fn after(&self) -> usize {
        self.span().saturating_sub(self.before + self.input)
    }

    /// The part of window `o` that lies inside the input: the first offset within the window, the first input
    /// position, and the number of positions. Never empty for the paddings we have.
    pub(super) fn inside(&self, o: usize) -> (usize, usize, usize) {
        let start = o * self.stride;
        let skipped = self.before.saturating_sub(start);
        let first = start + skipped - self.before;
        let end = (start + self.window - self.before).min(self.input);
        (skipped, first, end.saturating_sub(first))
    }
}

/// Both axes of a sliding window over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
}

impl Window {
    /// Whether windows of 2 x 2 lie side by side from the first pixel on, each inside the image.
    pub(super) fn is_tiled_by_two(&self) -> bool {
        let tiled = |axis: Axis| (axis.window, axis.stride, axis.before) == (2, 2, 0) && 2 * axis.output <= axis.input;
        tiled(self.rows) && tiled(self.columns)
    }

    /// The window of an operator (`what`, for the error) over `[rows, columns]`.
    pub(super) fn new(
        what: &str,
        padding: Padding,
        (rows, columns): (usize, usize),
        (height, width): (usize, usize),
        stride: usize,
    ) -> Result<Self> {
        Ok(Self {
            rows: Axis::new(what, padding, rows, height, stride)?,
            columns: Axis::new(what, padding, columns, width, stride)?,
        })
    }

    /// The number of window positions in an image.
    pub(super) fn positions(&self) -> usize {
        self.rows.output * self.columns.output
    }

    /// The number of input positions in an image.
    pub(super) fn pixels(&self) -> usize {
        self.rows.input * self.columns.input
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_one_at_the_end() {
        let axis = Axis::new("conv", Padding::Same, 6, 3, 2).unwrap();
        assert_eq!((axis.output, axis.before, axis.after()), (3, 0, 1));
        let axis = Axis::new("conv", Padding::Same, 5, 3, 1).unwrap();
        assert_eq!((axis.output, axis.before, axis.after()), (5, 1, 1));
        let axis = Axis::new("conv", Padding::Same, 7, 1, 3).unwrap();
        assert_eq!((axis.output, axis.before, axis.after(), axis.span()), (3, 0, 0, 7));
    }

    #[test]
    fn valid_padding_drops_what_is_left_over() {
        let axis = Axis::new("pool", Padding::Valid, 7, 2, 2).unwrap();
        assert_eq!((axis.output, axis.before, axis.after(), axis.span()), (3, 0, 0, 6));
        assert!(Axis::new("pool", Padding::Valid, 2, 3, 1).is_err());
        assert!(Axis::new("pool", Padding::Same, 2, 3, 0).is_err());
    }

    #[test]
    fn every_window_counts_its_positions_inside() {
        for padding in [Padding::Same, Padding::Valid] {
            for input in 1..9 {
                for window in 1..6 {
                    for stride in 1..5 {
                        let Ok(axis) = Axis::new("x", padding, input, window, stride) else { continue };
                        for o in 0..axis.output {
                            let inside: Vec<_> = (0..window)
                                .filter_map(|k| Some((k, (o * stride + k).checked_sub(axis.before)?)))
                                .filter(|(_, i)| *i < input)
                                .collect();
                            let first = inside.first().copied().unwrap();
                            assert_eq!(axis.inside(o), (first.0, first.1, inside.len()), "{axis:?} {o}");
                        }
                    }
                }
            }
        }
    }
}
