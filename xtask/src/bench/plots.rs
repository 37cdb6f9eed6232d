//! The plots of docs/performance.md: bars that begin at zero, a panel for each metric, a row for each contender.

use std::path::PathBuf;

use anyhow::Result;
use plotters::{
    coord::Shift,
    prelude::{
        DrawingArea, IntoDrawingArea, IntoFont, RGBColor, Rectangle, SVGBackend, Text, WHITE,
    },
    style::{
        Color, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};
use stack::checkout;

use super::{Kind, consumer, contenders::Contender, figures::Figures, page::cell, visible, votes};

const LABELS: i32 = 170;
const PANEL: i32 = 270;
/// Of a panel, for the number behind the longest bar.
const NUMBER: i32 = 70;
const HEAD: i32 = 34;
const ROW: i32 = 26;
const BAR: i32 = 16;

pub const INK: RGBColor = RGBColor(0x24, 0x29, 0x2f);
const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xeb);
const THEIRS: RGBColor = RGBColor(0x8c, 0x95, 0x9f);
/// What cannot be surpassed.
const LIMIT: RGBColor = RGBColor(0xd8, 0xde, 0xe4);

/// A panel: its head, and the case and the metric that it shows, with so many decimals.
type Panel = (&'static str, String, &'static str, usize);

/// What is plotted of a kind; nothing of some.
fn panels(kind: Kind) -> Vec<Panel> {
    let at_32 = || votes::connections(32);
    match kind {
        Kind::Votes => vec![
            ("votes/s, 32 connections", at_32(), "requests/s", 0),
            ("p99, ms", at_32(), "p99 ms", 1),
        ],
        Kind::Results => vec![
            ("results/s, 32 connections", at_32(), "requests/s", 0),
            ("p99, ms", at_32(), "p99 ms", 1),
        ],
        Kind::Consumer => vec![
            (
                "votes/s, 1 consumer",
                consumer::consumers(1),
                "counted/s",
                0,
            ),
            ("4 consumers", consumer::consumers(4), "counted/s", 0),
        ],
        Kind::Visible => vec![
            (
                "p99 in ms at 1,000 votes/s",
                visible::rate(1000),
                "p99 ms",
                1,
            ),
            ("at 3,000 votes/s", visible::rate(3000), "p99 ms", 1),
        ],
        Kind::Memory => vec![
            ("MB loaded", "loaded".to_owned(), "MB", 1),
            ("MB to deliver", "artefact".to_owned(), "MB", 1),
        ],
        Kind::Bulk | Kind::Start | Kind::Growth | Kind::Steps => Vec::new(),
    }
}

/// What the plot of a kind shows, for who cannot see it.
pub fn caption(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Votes => {
            Some("Votes a second, and what 99 % of the answers are faster than, at 32 connections")
        }
        Kind::Results => Some(
            "Results a second, and what 99 % of the answers are faster than, at 32 connections",
        ),
        Kind::Consumer => Some("Votes counted a second, from a backlog of a million"),
        Kind::Visible => Some("How soon 99 % of the votes are in the tally"),
        Kind::Memory => Some("Memory under load, and what is delivered"),
        Kind::Bulk | Kind::Start | Kind::Growth | Kind::Steps => None,
    }
}

/// Where the plot of a kind is, if it has one.
pub fn file(kind: Kind) -> Option<PathBuf> {
    let name = format!("docs/images/bench-{}.svg", kind.id());
    caption(kind).map(|_| checkout::root().join(name))
}

/// The plot of a kind, as SVG.
pub fn render(kind: Kind, figures: &Figures) -> Result<String> {
    let panels = panels(kind);
    let contenders: Vec<_> = figures
        .contenders()
        .into_iter()
        // So far beyond all others that these would be dots beside it.
        .filter(|contender| *contender != Contender::Stores || kind == Kind::Consumer)
        .collect();
    let width = LABELS + PANEL * i32::try_from(panels.len())?;
    let height = HEAD + ROW * i32::try_from(contenders.len())? + 8;
    let mut svg = String::new();
    {
        let area =
            SVGBackend::with_string(&mut svg, (u32::try_from(width)?, u32::try_from(height)?))
                .into_drawing_area();
        // Readable where pages are dark, too.
        area.fill(&WHITE)?;
        for (row, contender) in (0..).zip(&contenders) {
            let y = HEAD + ROW * row + ROW / 2;
            write(&area, contender.title(), (LABELS - 8, y), HPos::Right)?;
        }
        for (number, panel) in (0..).zip(&panels) {
            let x = LABELS + PANEL * number;
            draw(&area, x, panel, &contenders, figures)?;
        }
        area.present()?;
    }
    Ok(svg)
}

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(
    area: &Area,
    x: i32,
    (head, case, metric, digits): &Panel,
    contenders: &[Contender],
    figures: &Figures,
) -> Result<()> {
    write(area, head, (x, HEAD / 2), HPos::Left)?;
    let value = |contender: &Contender| figures.median(*contender, case, metric);
    let longest = contenders.iter().filter_map(value).fold(0.0, f64::max);
    for (row, contender) in (0..).zip(contenders) {
        let Some(value) = value(contender) else {
            continue;
        };
        let length = (f64::from(PANEL - NUMBER) * value / longest).round() as i32;
        let top = HEAD + ROW * row + (ROW - BAR) / 2;
        let corners = [(x, top), (x + length.max(1), top + BAR)];
        area.draw(&Rectangle::new(corners, colour(*contender).filled()))?;
        let number = cell(Some(value), *digits);
        write(area, &number, (x + length + 6, top + BAR / 2), HPos::Left)?;
    }
    Ok(())
}

fn colour(contender: Contender) -> RGBColor {
    use Contender::{Axum, SpinvoteHost, SpinvoteSpin, Stores};
    match contender {
        SpinvoteSpin | SpinvoteHost => OURS,
        Axum | Stores => LIMIT,
        handler if handler.is_handler() => LIMIT,
        _ => THEIRS,
    }
}

/// Puts text at a place, which is at this side of it.
pub fn write(area: &Area, text: &str, at: (i32, i32), side: HPos) -> Result<()> {
    let style = TextStyle::from(("sans-serif", 13).into_font())
        .color(&INK)
        .pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text, at, style))?;
    Ok(())
}
