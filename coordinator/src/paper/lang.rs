//! The languages of paper, and what depends on the reader.

use jiff::tz::TimeZone;

use crate::cli::text;

/// A language. What planners and hosts wrote stays in English where it has no translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Lang {
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
}

impl Lang {
    /// The text of this language.
    pub fn say<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }

    /// As HTML and BCP 47 call it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-CN",
        }
    }
}

/// For whom it is written.
#[derive(Debug, Clone)]
pub struct Style {
    /// The language.
    pub lang: Lang,
    /// Times are told in this zone.
    pub zone: TimeZone,
}

impl Style {
    /// As [`Lang::say`].
    pub(super) fn say<'a>(&self, en: &'a str, zh: &'a str) -> &'a str {
        self.lang.say(en, zh)
    }

    /// Date and time with the zone's offset; empty for 0.
    pub(super) fn time(&self, ms: i64) -> String {
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(time) if ms > 0 => {
                time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
            }
            Ok(_) | Err(_) => String::new(),
        }
    }

    /// An estimate in milliseconds: "about 7 min"; empty for 0.
    pub(super) fn about(&self, ms: u64) -> String {
        match (ms, self.lang) {
            (0, _) => String::new(),
            (ms, Lang::En) => text::about(ms),
            (ms, Lang::Zh) => chinese_units(&text::about(ms).replace("about ", "约 ")),
        }
    }

    /// A measured duration in milliseconds.
    pub(super) fn duration(&self, ms: u64) -> String {
        match self.lang {
            Lang::En => text::duration(ms),
            Lang::Zh => chinese_units(&text::duration(ms)),
        }
    }
}

/// "2 h 10 min" becomes "2 小时 10 分钟".
fn chinese_units(text: &str) -> String {
    let unit = |word| match word {
        "ms" => "毫秒",
        "s" => "秒",
        "min" => "分钟",
        "h" => "小时",
        "d" => "天",
        other => other,
    };
    text.split(' ').map(unit).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_readers_language() {
        let style = |lang| Style { lang, zone: TimeZone::UTC };
        assert_eq!(style(Lang::En).about(7_300_000), "about 2 h 10 min");
        assert_eq!(style(Lang::Zh).about(7_300_000), "约 2 小时 10 分钟");
        assert_eq!(style(Lang::Zh).duration(61_000), "1 分钟 1 秒");
        assert_eq!(style(Lang::En).time(1_700_000_000_000), "2023-11-14 22:13:20 +00:00");
        assert_eq!(
            (style(Lang::En).time(0), style(Lang::Zh).about(0)),
            (String::new(), String::new())
        );
    }
}
