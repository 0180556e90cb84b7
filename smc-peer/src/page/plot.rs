//! The last values as a line: an image in the page itself, without a script.

use maud::{Markup, html};

use super::view::Window;

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 80.0;
/// Between the line and the edges.
const MARGIN: f64 = 4.0;

/// The numbers of `windows` from left to right; a window without one is a gap. Nothing if there are fewer than two.
pub(super) fn plot(windows: &[Window]) -> Option<Markup> {
    let numbers: Vec<Option<f64>> =
        windows.iter().map(|window| window.number.filter(|number| number.is_finite())).collect();
    let known = || numbers.iter().flatten().copied();
    if known().count() < 2 {
        return None;
    }
    let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let lines = lines(&numbers, least, most);
    let says = format!("the last {} windows: {} to {}", windows.len(), figure(least), figure(most));
    Some(html! {
        figure {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(says) preserveAspectRatio="none" {
                @for line in lines {
                    polyline points=(line) {}
                }
            }
            figcaption { (says) }
        }
    })
}

/// One line for each run of numbers without a gap.
fn lines(numbers: &[Option<f64>], least: f64, most: f64) -> Vec<String> {
    let step = (WIDTH - 2.0 * MARGIN) / (numbers.len() - 1).max(1) as f64;
    let span = if most > least { most - least } else { 1.0 };
    let point = |at: usize, number: f64| {
        let (x, y) =
            (MARGIN + step * at as f64, HEIGHT - MARGIN - (number - least) / span * (HEIGHT - 2.0 * MARGIN));
        format!("{x:.1},{y:.1}")
    };
    let mut lines = vec![Vec::new()];
    for (at, number) in numbers.iter().enumerate() {
        match number {
            Some(number) => {
                lines.last_mut().into_iter().for_each(|line: &mut Vec<String>| line.push(point(at, *number)))
            }
            None => lines.push(Vec::new()),
        }
    }
    // A single point is drawn as a line of no length, which round ends make a dot.
    let drawn = lines.into_iter().filter(|line| !line.is_empty());
    drawn.map(|line| if line.len() == 1 { format!("{0} {0}", line[0]) } else { line.join(" ") }).collect()
}

/// A number for people: no more digits than matter beside the line.
fn figure(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_lies_at_the_bottom_and_the_greatest_at_the_top() {
        let drawn = lines(&[Some(10.0), Some(20.0), Some(15.0)], 10.0, 20.0);
        assert_eq!(drawn, ["4.0,76.0 160.0,4.0 316.0,40.0"]);
    }

    #[test]
    fn a_window_without_a_number_is_a_gap() {
        let drawn = lines(&[Some(1.0), None, Some(1.0), Some(2.0)], 1.0, 2.0);
        assert_eq!(drawn.len(), 2);
        assert_eq!(drawn[0], "4.0,76.0 4.0,76.0", "a dot");
    }

    #[test]
    fn a_single_number_is_no_plot_and_equal_ones_are_a_line() {
        let window = |number| Window {
            start: String::new(),
            status: smc_core::result::Status::Ok,
            value: None,
            number,
            cohort: 5,
            carried: 0,
            verified: true,
            reason: None,
        };
        assert!(plot(&[window(Some(1.0)), window(None)]).is_none());
        let flat = plot(&[window(Some(700.0)), window(Some(700.0))]).map(maud::Markup::into_string);
        assert!(flat.is_some_and(|flat| flat.contains("4.0,76.0 316.0,76.0") && flat.contains("700 to 700")));
    }
}
