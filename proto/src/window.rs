//! A maintenance window in words: `01:00-05:00`, in the coordinator's local time. One that ends before it
//! begins goes over midnight.

use std::{fmt, str::FromStr};

use crate::v1::Window;

const MINUTES_OF_A_DAY: u32 = 24 * 60;

/// Why a text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWindow {
    /// Not of the form.
    #[error("use the form HH:MM-HH:MM, e.g. 01:00-05:00 or 22:30-04:00")]
    Form,
    /// It has no length.
    #[error("a window that ends when it begins has no length; leave it away for any time")]
    Empty,
}

impl FromStr for Window {
    type Err = InvalidWindow;

    fn from_str(text: &str) -> Result<Self, InvalidWindow> {
        let (begin, end) = text.split_once('-').ok_or(InvalidWindow::Form)?;
        let window = Self { begin_minute: minute(begin)?, end_minute: minute(end)? };
        check(&window).map(|()| window)
    }
}

fn minute(text: &str) -> Result<u32, InvalidWindow> {
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let (hours, minutes) = text.split_once(':').ok_or(InvalidWindow::Form)?;
    if !digits(hours) || !digits(minutes) {
        return Err(InvalidWindow::Form);
    }
    let number = |part: &str| part.parse::<u32>().map_err(|_| InvalidWindow::Form);
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours < 24 && minutes < 60 { Ok(hours * 60 + minutes) } else { Err(InvalidWindow::Form) }
}

/// Whether a window that came over the wire is one.
///
/// # Errors
/// If a minute is beyond the day, or it has no length.
pub fn check(window: &Window) -> Result<(), InvalidWindow> {
    if window.begin_minute >= MINUTES_OF_A_DAY || window.end_minute >= MINUTES_OF_A_DAY {
        return Err(InvalidWindow::Form);
    }
    if window.begin_minute == window.end_minute {
        return Err(InvalidWindow::Empty);
    }
    Ok(())
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (begin, end) = (self.begin_minute, self.end_minute);
        write!(f, "{:02}:{:02}-{:02}:{:02}", begin / 60, begin % 60, end / 60, end % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_and_written() {
        for good in ["01:00-05:00", "22:30-04:00", "00:00-23:59"] {
            assert_eq!(good.parse::<Window>().map(|w| w.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "1:00-5:00",
            "01:00",
            "24:00-05:00",
            "01:60-02:00",
            "+1:00-02:00",
            "01:00-02:00-03:00",
        ] {
            assert_eq!(bad.parse::<Window>(), Err(InvalidWindow::Form), "{bad}");
        }
        assert_eq!("05:00-05:00".parse::<Window>(), Err(InvalidWindow::Empty));
        let beyond = Window { begin_minute: 0, end_minute: 1440 };
        assert_eq!(check(&beyond), Err(InvalidWindow::Form));
    }
}
