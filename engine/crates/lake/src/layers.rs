//! Which layers of the lake a run writes.

use std::fmt;
use std::str::FromStr;

/// A layer of the lake, a folder of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Every line as it came.
    Bronze,
    /// Accepted events, typed.
    Silver,
    /// What was rejected, late or a duplicate.
    Quarantine,
    /// The KPIs.
    Gold,
}

impl Layer {
    /// All layers, from raw to refined.
    pub const ALL: [Layer; 4] = [Layer::Bronze, Layer::Silver, Layer::Quarantine, Layer::Gold];

    /// The name of the layer and of its folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Layer::Bronze => "bronze",
            Layer::Silver => "silver",
            Layer::Quarantine => "quarantine",
            Layer::Gold => "gold",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The layers a run writes; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layers {
    /// A flag for each layer, at its place in [`Layer::ALL`].
    written: [bool; 4],
}

/// Why a text is no list of layers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("layer {name:?} is none of bronze, silver, quarantine, gold")]
pub struct InvalidLayers {
    /// The part of the list that was refused.
    pub name: String,
}

impl Layers {
    /// Whether the run writes `layer`.
    #[must_use]
    pub const fn contains(self, layer: Layer) -> bool {
        self.written[layer as usize]
    }

    /// The layers, from raw to refined.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        Layer::ALL.into_iter().filter(move |&layer| self.contains(layer))
    }
}

impl Default for Layers {
    /// Gold and quarantine.
    fn default() -> Layers {
        Layers { written: [false, false, true, true] }
    }
}

/// Reads a comma list such as `gold,quarantine`, in any order; a layer named twice counts once.
impl FromStr for Layers {
    type Err = InvalidLayers;

    fn from_str(list: &str) -> Result<Layers, InvalidLayers> {
        let mut written = [false; 4];
        for name in list.split(',') {
            let layer = Layer::ALL.into_iter().find(|layer| layer.name() == name);
            let layer = layer.ok_or_else(|| InvalidLayers { name: name.to_owned() })?;
            written[layer as usize] = true;
        }
        Ok(Layers { written })
    }
}

/// Shows the comma list, from raw to refined.
impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, layer) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{layer}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_in_any_order_and_shown_from_raw_to_refined() {
        assert_eq!("gold,bronze,gold".parse::<Layers>().unwrap().to_string(), "bronze,gold");
        assert_eq!(Layers::default().to_string(), "quarantine,gold");
        let all = "bronze,silver,quarantine,gold";
        assert_eq!(all.parse::<Layers>().unwrap().to_string(), all);
    }

    #[test]
    fn an_unknown_layer_is_refused_by_its_name() {
        for (list, name) in
            [("", ""), ("gold,", ""), ("gold,iron", "iron"), ("Gold", "Gold"), ("gold, silver", " silver")]
        {
            let error = list.parse::<Layers>().unwrap_err();
            assert_eq!(error.to_string(), format!("layer {name:?} is none of bronze, silver, quarantine, gold"));
        }
    }
}
