//! A chart as inline SVG: axes, lines and their key. Colours come from the page's style, so that both themes have theirs.

use std::fmt::Write as _;

use super::escape;

/// Sizes of the drawing in its own units, which the page scales.
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;

/// A line, interrupted where it has no value (`None`).
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// Scale of the vertical axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// From 0.
    Linear,
    /// By powers of ten; what is 0 or less lies at the bottom.
    Log,
}

/// A stretch of the horizontal axis that is shaded, or shows its title under the pointer.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) title: String,
}

/// A chart: its axes, lines and stretches.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) height: f64,
    pub(super) scale: Scale,
    /// First and last of the horizontal axis.
    pub(super) span: (f64, f64),
    /// Labels of the horizontal axis, each with its place.
    pub(super) ticks: Vec<(f64, String)>,
    pub(super) lines: Vec<Curve>,
    pub(super) shaded: Vec<Stretch>,
    pub(super) hovers: Vec<Stretch>,
    /// Writes a value of the vertical axis.
    pub(super) label: fn(f64) -> String,
}

impl Chart {
    /// The key and the drawing.
    pub(super) fn html(&self, name: &str) -> String {
        let mut out = String::from("<div class=\"key\">");
        for (at, line) in self.lines.iter().enumerate() {
            let _ = write!(out, "<span><i class=\"k{}\"></i>{}</span>", at % 4, escape(&line.name));
        }
        let _ = write!(
            out,
            "</div><svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">",
            self.height,
            escape(name)
        );
        let bottom = self.height - BOTTOM;
        for stretch in &self.shaded {
            self.stretch(&mut out, stretch, "warmup");
        }
        let marks = self.marks();
        let (low, high) = (marks[0], marks[marks.len() - 1]);
        for mark in &marks {
            let y = self.y(*mark, low, high);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0,
                escape(&(self.label)(*mark))
            );
        }
        for (at, label) in &self.ticks {
            let x = self.x(*at);
            let anchor = if x > WIDTH - 40.0 { "end" } else { "middle" };
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                bottom + 18.0,
                escape(label)
            );
        }
        for (at, line) in self.lines.iter().enumerate() {
            let path = self.path(line, low, high);
            let _ = write!(out, "<path class=\"curve s{}\" d=\"{path}\"/>", at % 4);
        }
        for stretch in &self.hovers {
            self.stretch(&mut out, stretch, "hover");
        }
        out.push_str("</svg>");
        out
    }

    fn stretch(&self, out: &mut String, stretch: &Stretch, class: &str) {
        let (from, to) = (self.x(stretch.from), self.x(stretch.to));
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"><title>{}</title></rect>",
            (to - from).max(0.0),
            self.height - BOTTOM - TOP,
            escape(&stretch.title)
        );
    }

    fn path(&self, line: &Curve, low: f64, high: f64) -> String {
        let (mut path, mut pen_down) = (String::new(), false);
        for (at, value) in &line.points {
            let Some(value) = value else {
                pen_down = false;
                continue;
            };
            let (x, y) = (self.x(*at), self.y(*value, low, high));
            // A lone point is drawn as a dot, by its round ends.
            let _ = if pen_down { write!(path, "L{x:.1} {y:.1}") } else { write!(path, "M{x:.1} {y:.1}h0") };
            pen_down = true;
        }
        path
    }

    fn x(&self, at: f64) -> f64 {
        let (first, last) = self.span;
        let share = if last > first { (at - first) / (last - first) } else { 0.0 };
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64, low: f64, high: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Log => (value.max(low).log10() - low.log10()) / (high.log10() - low.log10()),
        };
        let room = self.height - TOP - BOTTOM;
        TOP + room * (1.0 - share.clamp(0.0, 1.0))
    }

    /// Round values from below the least to above the greatest, at least two.
    fn marks(&self) -> Vec<f64> {
        let values = || self.lines.iter().flat_map(|line| line.points.iter().filter_map(|(_, value)| *value));
        let high = values().fold(0.0, f64::max);
        match self.scale {
            Scale::Linear => linear_marks(high),
            Scale::Log => log_marks(values().filter(|value| *value > 0.0).fold(f64::MAX, f64::min), high),
        }
    }
}

fn linear_marks(high: f64) -> Vec<f64> {
    // Counts are drawn: no marks between 0 and 1.
    let high = high.max(4.0);
    let scale = 10_f64.powf((high / 4.0).log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|step| step * scale).into_iter().find(|step| high / step <= 4.0 + 1e-9);
    let step = step.unwrap_or(10.0 * scale);
    let count = (high / step - 1e-9).ceil().max(1.0);
    let mut marks = vec![0.0];
    while marks.len() < 12 && marks[marks.len() - 1] < step * (count - 0.5) {
        marks.push(marks[marks.len() - 1] + step);
    }
    marks
}

fn log_marks(low: f64, high: f64) -> Vec<f64> {
    let (low, high) = if high > 0.0 { (low.min(high), high) } else { (1.0, 10.0) };
    let decades = (high / low).log10();
    let steps: &[f64] = match decades {
        d if d > 2.2 => &[1.0],
        d if d > 0.7 => &[1.0, 2.0, 5.0],
        _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
    };
    let mut scale = 10_f64.powf(low.log10().floor());
    let mut marks: Vec<f64> = Vec::new();
    loop {
        for step in steps {
            let mark = scale * step;
            // What is not above the least replaces the one before it: the axis begins there.
            if mark <= low {
                marks.clear();
            }
            marks.push(mark);
            if mark >= high && marks.len() > 1 {
                return marks;
            }
        }
        scale *= 10.0;
    }
}

/// Round times for the horizontal axis of a run that took so many seconds.
pub(super) fn time_ticks(seconds: f64) -> Vec<(f64, String)> {
    let steps =
        [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 21600.0];
    let step = steps.into_iter().find(|step| seconds / step <= 12.0).unwrap_or(86_400.0);
    let mut ticks = Vec::new();
    let mut at = 0.0;
    while at <= seconds && ticks.len() < 100 {
        let label = match at {
            at if step < 60.0 => format!("{at} s"),
            at if step < 3600.0 => format!("{} min", at / 60.0),
            at => format!("{} h", at / 3600.0),
        };
        ticks.push((at, label));
        at += step;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_labelled_at_round_values() {
        assert_eq!(linear_marks(4990.0), [0.0, 2000.0, 4000.0, 6000.0]);
        assert_eq!(linear_marks(0.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(log_marks(300.0, 5300.0), [200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0]);
        assert_eq!(log_marks(7.0, 7.0), [7.0, 10.0]);
        assert!(log_marks(f64::MAX, 0.0).len() > 1);
        assert_eq!(time_ticks(10.0).len(), 11);
        assert_eq!(time_ticks(0.0), [(0.0, "0 s".to_owned())]);
        assert_eq!(time_ticks(600.0)[1].1, "1 min");
    }
}
