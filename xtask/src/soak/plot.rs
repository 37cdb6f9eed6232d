//! The plots of docs/soak.md: a panel for each metric, over time, a line for each part.

use anyhow::Result;
use plotters::{
    prelude::{
        ChartBuilder, IntoDrawingArea, IntoFont, PathElement, RGBColor, Rectangle, SVGBackend,
        WHITE,
    },
    style::{Color, text_anchor::HPos},
};

use super::{
    report::Report,
    samples::{METRICS, PARTS, Sample},
};
use crate::bench::plots::{INK, write};

const WIDTH: i32 = 820;
const PANEL: i32 = 190;
const HEAD: i32 = 30;

const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
const COLOURS: [RGBColor; PARTS.len()] = [
    RGBColor(0x1f, 0x6f, 0xeb),
    RGBColor(0xcf, 0x22, 0x2e),
    RGBColor(0x1a, 0x7f, 0x37),
];

/// The plot of a run, as SVG.
pub fn render(report: &Report) -> Result<String> {
    let height = HEAD + PANEL * i32::try_from(METRICS.len())?;
    let mut svg = String::new();
    {
        let area =
            SVGBackend::with_string(&mut svg, (u32::try_from(WIDTH)?, u32::try_from(height)?))
                .into_drawing_area();
        // Readable where pages are dark, too.
        area.fill(&WHITE)?;
        for ((part, colour), x) in PARTS.iter().zip(COLOURS).zip((60..).step_by(130)) {
            let y = HEAD / 2;
            area.draw(&Rectangle::new(
                [(x, y - 2), (x + 20, y + 2)],
                colour.filled(),
            ))?;
            write(&area, part, (x + 26, y), HPos::Left)?;
        }
        let (_, below) = area.split_vertically(HEAD);
        let panels = below.split_evenly((METRICS.len(), 1));
        let end = report.samples.last().map_or(1.0, |last| last.seconds) / 60.0;
        for (m, (panel, (metric, unit))) in panels.iter().zip(METRICS).enumerate() {
            let values = |sample: &Sample| sample.parts.map(|part| part[m]);
            let most = report.samples.iter().flat_map(values).fold(1.0, f64::max);
            let title = match unit {
                "" => metric.to_owned(),
                unit => format!("{metric}, {unit}"),
            };
            let mut chart = ChartBuilder::on(panel)
                .caption(title, ("sans-serif", 13).into_font().color(&INK))
                .margin_right(16)
                .x_label_area_size(24)
                .y_label_area_size(56)
                .build_cartesian_2d(0.0..end, 0.0..most * 1.05)?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(WHITE)
                .bold_line_style(GRID)
                .axis_style(GRID)
                .label_style(("sans-serif", 11).into_font().color(&INK))
                .y_labels(5)
                .x_labels(7)
                .x_label_formatter(&|minutes| format!("{minutes:.0} min"))
                .y_label_formatter(&|value| format!("{value:.0}"))
                .draw()?;
            for (p, colour) in COLOURS.iter().enumerate() {
                let line: Vec<_> = report
                    .samples
                    .iter()
                    .map(|sample| (sample.seconds / 60.0, sample.parts[p][m]))
                    .collect();
                chart.draw_series([PathElement::new(line, colour.stroke_width(2))])?;
            }
        }
        area.present()?;
    }
    Ok(svg)
}
