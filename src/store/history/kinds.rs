//! Which of the places in columns some rows have: each place once, in the order of its first row, so that what rows
//! have in common is looked at once and not for each of them.
//!
//! Refuses to know what stands there.

use super::dictionary::NONE;

pub(super) struct Kinds {
    pub distinct: Vec<u32>,
    /// Of each row, its number among those; `None`: each has a place of its own.
    rows: Option<Vec<u32>>,
}

impl Kinds {
    pub fn of(places: impl ExactSizeIterator<Item = u32> + Clone) -> Kinds {
        let (least, greatest) = (places.clone().min().unwrap_or(0), places.clone().max().unwrap_or(0));
        let (mut numbers, mut distinct) = (vec![NONE; (greatest - least) as usize + 1], Vec::new());
        let number = |place: u32| {
            let number = &mut numbers[(place - least) as usize];
            if *number == NONE {
                *number = distinct.len() as u32;
                distinct.push(place);
            }
            *number
        };
        let rows = places.map(number).collect();
        Kinds { distinct, rows: Some(rows) }
    }

    /// Rows with a place each.
    pub fn apart(places: Vec<u32>) -> Kinds {
        Kinds { distinct: places, rows: None }
    }

    /// Of each row, what `of_distinct` has for its place.
    pub fn spread<T: Copy + PartialEq>(&self, of_distinct: &[T], rows: &mut Vec<T>) {
        rows.clear();
        match (&self.rows, of_distinct.first()) {
            (None, _) => rows.extend_from_slice(of_distinct),
            // Many columns have one value in all rows: nothing has to be looked up.
            (Some(numbers), Some(only)) if of_distinct.iter().all(|value| value == only) => {
                rows.resize(numbers.len(), *only);
            }
            (Some(numbers), _) => rows.extend(numbers.iter().map(|number| of_distinct[*number as usize])),
        }
    }

    pub fn rows(&self) -> impl Iterator<Item = u32> {
        let own = if self.rows.is_some() { 0 } else { self.distinct.len() as u32 };
        self.rows.iter().flatten().copied().chain(0..own)
    }

    pub fn row_count(&self) -> usize {
        self.rows.as_ref().map_or(self.distinct.len(), Vec::len)
    }
}
