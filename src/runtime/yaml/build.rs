//! The reading of one document: its value, and the place of each thing in it.

use std::cell::{Cell, RefCell};
use std::fmt::{Display, Formatter};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::older::older;
use super::place::{Characters, Place};

/// So many values are more than anybody writes; a few aliases of aliases are more than any memory holds.
const MOST: usize = 1_000_000;

/// So much text is as much as one value.
const LONG: usize = 64;

/// What the error says that is no error.
const HERE: &str = "here";

/// What a whole document is read with.
pub(super) struct Reader {
    characters: Characters,
    count: Cell<usize>,
}

impl Reader {
    pub fn of(text: &str) -> Self {
        Self { characters: Characters::of(text), count: Cell::new(0) }
    }

    pub fn read(&self, text: &str) -> Result<(Value, Place), serde_yaml::Error> {
        serde_yaml::Deserializer::from_str(text).deserialize_any(Build { reader: self, scalar: None })
    }

    fn count<E: Error>(&self, text: &str) -> Result<(), E> {
        self.count.set(self.count.get() + 1 + text.len() / LONG);
        let few = self.count.get() <= MOST;
        few.then_some(())
            .ok_or_else(|| E::custom(format!("there are more than {MOST} values, as aliases count for all they name")))
    }
}

/// Line and column that an error says at its end.
fn place(error: &impl Display) -> (usize, usize) {
    let text = error.to_string();
    let said = text.rsplit_once(HERE).and_then(|(_, said)| said.strip_prefix(" at line ")?.split_once(" column "));
    let number = |(line, column): (&str, &str)| Some((line.parse().ok()?, column.parse().ok()?));
    // It does not say so of the very first character.
    said.and_then(number).unwrap_or((1, 1))
}

/// Whatever is inside a document. The YAML reader says places of errors alone, so each scalar is made one.
struct Inner<'a> {
    reader: &'a Reader,
}

impl<'de> DeserializeSeed<'de> for Inner<'_> {
    type Value = (Value, Place);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(Value, Place), D::Error> {
        let Self { reader } = self;
        let scalar = RefCell::new(None);
        let error = match deserializer.deserialize_any(Build { reader, scalar: Some(&scalar) }) {
            Ok(built) => return Ok(built),
            Err(error) => error,
        };
        let Some(value) = scalar.take() else { return Err(error) };
        let (line, column) = place(&error);
        let meant = value.as_str().and_then(older).filter(|_| reader.characters.is_plain(line, column));
        Ok((meant.unwrap_or(value), Place { line: Some(line), ..Place::default() }))
    }
}

/// Makes the value.
struct Build<'a> {
    reader: &'a Reader,
    /// What a scalar is left in; `None`: it is the whole document, and its place does not matter.
    scalar: Option<&'a RefCell<Option<Value>>>,
}

impl Build<'_> {
    fn scalar<E: Error>(&self, value: Value) -> Result<(Value, Place), E> {
        self.reader.count(value.as_str().unwrap_or_default())?;
        let Some(scalar) = self.scalar else { return Ok((value, Place::default())) };
        scalar.replace(Some(value));
        Err(E::custom(HERE))
    }
}

impl<'de> Visitor<'de> for Build<'_> {
    type Value = (Value, Place);

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a value without a tag")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.scalar(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.scalar(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.scalar(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        // On the way to the API server 1.0 becomes 1.
        let whole = value.to_string().parse::<i64>().ok().map(Value::from);
        self.scalar(whole.unwrap_or_else(|| Number::from_f64(value).map_or(Value::Null, Value::Number)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.scalar(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        self.reader.count("")?;
        let (mut built, mut place) = (Vec::new(), Place::default());
        while let Some((item, at)) = items.next_element_seed(Inner { reader: self.reader })? {
            place.line = place.line.or(at.line);
            built.push(item);
            place.items.push(at);
        }
        Ok((built.into(), place))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        self.reader.count("")?;
        let (mut built, mut place) = (Map::new(), Place::default());
        while let Some((key, line)) = fields.next_key_seed(Key { there: &built })? {
            self.reader.count(&key)?;
            let (value, at) = fields.next_value_seed(Inner { reader: self.reader })?;
            place.line = place.line.or(Some(line));
            place.fields.insert(key.clone(), (line, at));
            built.insert(key, value);
        }
        Ok((built.into(), place))
    }
}

/// A key and its line; one that is there already is an error at its place.
struct Key<'a> {
    there: &'a Map<String, Value>,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = (String, usize);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(String, usize), D::Error> {
        let mut name = None;
        let error = match deserializer.deserialize_any(Name { there: self.there, name: &mut name }) {
            Ok(never) => match never {},
            Err(error) => error,
        };
        name.map(|name| (name, place(&error).0)).ok_or(error)
    }
}

/// The text of a key.
struct Name<'a> {
    there: &'a Map<String, Value>,
    name: &'a mut Option<String>,
}

impl Visitor<'_> for Name<'_> {
    type Value = std::convert::Infallible;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a key that is text")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        if self.there.contains_key(key) {
            return Err(E::custom(format!("the key `{key}` is here twice")));
        }
        *self.name = Some(key.to_owned());
        Err(E::custom(HERE))
    }

    fn visit_bool<E: Error>(self, key: bool) -> Result<Self::Value, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_i64<E: Error>(self, key: i64) -> Result<Self::Value, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_u64<E: Error>(self, key: u64) -> Result<Self::Value, E> {
        self.visit_str(&key.to_string())
    }

    fn visit_f64<E: Error>(self, key: f64) -> Result<Self::Value, E> {
        self.visit_str(&key.to_string())
    }
}
