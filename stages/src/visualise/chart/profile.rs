//! Profiles: the sorted values of some groups, a filled shape a group, one under another.

use super::axis::{Axis, Frame, Grid};
use super::line::{Rule, draw_rule};
use crate::visualise::canvas::{Anchor, Canvas, Point, Type};
use crate::visualise::figure::Chart;
use crate::visualise::style::{BODY, Colour, SPACE};
use crate::visualise::text::{self, Weight};

/// The most that a group's name takes up.
const NAME: f64 = 150.0;
/// Between two groups, as a share of the height.
const GAP: f64 = 0.02;
/// No group is drawn lower than this, so that its name has room.
const LOWEST: f64 = 0.05;

/// A group.
pub(in crate::visualise) struct Group {
    /// Its name.
    pub(in crate::visualise) name: String,
    /// Its colour.
    pub(in crate::visualise) colour: Colour,
    /// Its values, the greatest first.
    pub(in crate::visualise) values: Vec<f64>,
}

/// The profiles of some groups; each is as high as it has members.
pub(in crate::visualise) struct Profiles {
    /// What they show.
    pub(in crate::visualise) title: String,
    /// Width and height.
    pub(in crate::visualise) size: Point,
    /// The axis of the values.
    pub(in crate::visualise) x: Axis,
    /// The groups from the top.
    pub(in crate::visualise) groups: Vec<Group>,
    /// The marked values.
    pub(in crate::visualise) rules: Vec<Rule>,
}

impl Chart for Profiles {
    fn size(&self) -> Point {
        self.size
    }

    fn draw(&self, canvas: &mut Canvas<'_>, at: Point) {
        let names = text::widest(self.groups.iter().map(|g| g.name.as_str()), BODY, Weight::Regular).min(NAME) + SPACE;
        let y = Axis::bare(0.0, 1.0);
        let plot = ((at.0 + names, at.1), (self.size.0 - names, self.size.1));
        let frame = Frame::draw(canvas, plot, &self.title, (&self.x, &y), Grid::Vertical);
        // What the rules' labels take up is left free at the top.
        let (top, bottom) = frame.heights();
        let free = if self.rules.is_empty() { 0.0 } else { 2.0 * BODY / (bottom - top) };
        let members: usize = self.groups.iter().map(|g| g.values.len()).sum();
        let gaps = GAP * self.groups.len() as f64;
        let share = |group: &Group| (group.values.len() as f64 / members.max(1) as f64).max(LOWEST);
        let whole: f64 = self.groups.iter().map(share).sum();
        let mut upper = 1.0 - free;
        for group in &self.groups {
            let height = share(group) / whole * (1.0 - free - gaps);
            let step = height / group.values.len().max(1) as f64;
            let mut corners = vec![frame.place(0.0, upper)];
            corners.extend(group.values.iter().enumerate().flat_map(|(i, &value)| {
                [frame.place(value, upper - i as f64 * step), frame.place(value, upper - (i + 1) as f64 * step)]
            }));
            corners.push(frame.place(0.0, upper - height));
            canvas.polygon(&corners, group.colour);
            let middle = frame.place(0.0, upper - height / 2.0).1;
            let name = text::fit(&group.name, BODY, Weight::Regular, names - SPACE + 0.5);
            canvas.text(&name, (at.0 + names - SPACE / 2.0, middle), Type::new(BODY).anchor(Anchor::End));
            upper -= height + GAP;
        }
        for rule in &self.rules {
            draw_rule(canvas, &frame, rule, (&self.x, &y), &[]);
        }
    }
}
