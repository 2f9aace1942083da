//! The charts: plain data in, marks on a canvas out. None knows a stage, a file or a model.

pub(super) mod axis;
pub(super) mod bars;
pub(super) mod dots;
pub(super) mod flow;
pub(super) mod heat_map;
pub(super) mod image_grid;
pub(super) mod labels;
pub(super) mod legend;
pub(super) mod line;
pub(super) mod profile;
pub(super) mod scatter;
pub(super) mod table;
