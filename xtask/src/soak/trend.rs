//! Whether something grows.

/// How much a straight line through these points rises from the first to the last of them: the median of the slopes
/// between points (Theil and Sen), so that a spike, however high, moves nothing.
///
/// Points are pairs of a time and a value, in the order of time. Of many points some are left out.
pub fn growth(points: &[(f64, f64)]) -> f64 {
    /// So that there are at most some ten thousand pairs.
    const MOST: usize = 150;
    let points: Vec<_> = points
        .iter()
        .step_by(points.len().div_ceil(MOST).max(1))
        .collect();
    let mut slopes = Vec::new();
    for (i, (t, value)) in points.iter().enumerate() {
        for (later, then) in &points[i + 1..] {
            if later > t {
                slopes.push((then - value) / (later - t));
            }
        }
    }
    let time = match (points.first(), points.last()) {
        (Some(first), Some(last)) => last.0 - first.0,
        _ => 0.0,
    };
    median(slopes) * time
}

/// The one in the middle; 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rises_rises_and_spikes_do_not_count() {
        let line = |slope: f64| -> Vec<(f64, f64)> {
            (0..1000)
                .map(f64::from)
                .map(|t| (t, 50.0 + slope * t))
                .collect()
        };
        assert!((growth(&line(0.1)) - 99.9).abs() < 2.0);
        let mut spiky = line(0.0);
        spiky.iter_mut().step_by(7).for_each(|point| point.1 = 1e6);
        assert_eq!(growth(&spiky), 0.0);
        assert_eq!(growth(&[]), 0.0);
    }
}
