//! Everything that the pages say, in every language. Words in braces are filled in.

use serde::Serialize;

/// What a page says.
pub(crate) struct Texts {
    pub default_question: &'static str,
    /// In the order of `ballot::default_poll::OPTIONS`.
    pub default_options: [&'static str; 2],

    /// For search engines and previews.
    pub description: &'static str,
    pub vote: &'static str,
    pub results: &'static str,
    pub api: &'static str,
    pub keys_hint: &'static str,
    pub ready: &'static str,
    pub history: &'static str,
    pub last_counted: &'static str,
    pub mine_counted: &'static str,
    pub mine_recorded: &'static str,
    pub receipt: &'static str,

    pub retry: &'static str,
    pub back: &'static str,
    /// What the service itself says about an error.
    pub detail: &'static str,
    pub bad_request: Error,
    pub forbidden: Error,
    pub not_found: Error,
    pub not_allowed: Error,
    pub too_large: Error,
    pub unprocessable: Error,
    pub at_fault: Error,
    pub unavailable: Error,
    pub not_recorded: Error,

    pub script: ScriptTexts,
}

/// What went wrong, and what to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Error {
    pub title: &'static str,
    pub advice: &'static str,
}

/// What `page.js` says.
#[derive(Serialize)]
pub(crate) struct ScriptTexts {
    pub sending: &'static str,
    pub recorded: &'static str,
    pub counted: &'static str,
    pub counted_at: &'static str,
    pub receipt: &'static str,
    pub offline: &'static str,
    pub retrying: &'static str,
    pub refused: &'static str,
    /// Without a reason of the service's own.
    pub refused_why: &'static str,
    pub waiting: &'static str,
    pub votes_one: &'static str,
    pub votes: &'static str,
    pub live: &'static str,
    pub paused: &'static str,
    pub stale: &'static str,
    pub no_results: &'static str,
}

pub(crate) static ENGLISH: Texts = Texts {
    default_question: "Cats or dogs?",
    default_options: ["Cats", "Dogs"],

    description: "Vote, and watch the votes being counted: each of them exactly once.",
    vote: "Vote",
    results: "Results",
    api: "API",
    keys_hint: "Vote with the keys 1–{n}",
    ready: "One click is a vote. It counts exactly once.",
    history: "Votes counted in the last 5 minutes",
    last_counted: "Last vote counted:",
    mine_counted: "Your vote is counted: {option}.",
    mine_recorded: "Your vote is recorded. It is counted in a moment: reload this page to see it.",
    receipt: "Receipt",

    retry: "Send this vote again",
    back: "Back to the vote",
    detail: "The service says:",
    bad_request: Error {
        title: "That was not understood",
        advice: "Go back to the vote and try again from there.",
    },
    forbidden: Error {
        title: "That is not allowed",
        advice: "Nothing was recorded. The reason is below.",
    },
    not_found: Error {
        title: "There is nothing here",
        advice: "The address may be misspelt, or the poll or vote may not exist. The vote is this way.",
    },
    not_allowed: Error {
        title: "This address works differently",
        advice: "Go back to the vote and use the buttons there.",
    },
    too_large: Error {
        title: "That was too much",
        advice: "What was sent is larger than a vote can be. Go back to the vote and try again.",
    },
    unprocessable: Error {
        title: "This vote cannot be counted",
        advice: "Nothing was recorded. Go back and choose one of the options there.",
    },
    at_fault: Error {
        title: "Something is broken on our side",
        advice: "It is not your fault. Try again later.",
    },
    unavailable: Error {
        title: "We are not there right now",
        advice: "Votes that were recorded are safe. Reload this page in a moment.",
    },
    not_recorded: Error {
        title: "Your vote could not be recorded yet",
        advice: "Send it again in a moment. However often you do, it counts once.",
    },

    script: ScriptTexts {
        sending: "Sending your vote: {option} …",
        recorded: "Your vote is recorded: {option}.",
        counted: "Your vote is counted: {option}.",
        counted_at: "Counted at {time}.",
        receipt: "Receipt",
        offline: "You are offline. Your vote is kept, and sent when you are back: {option}.",
        retrying: "Votes cannot be taken right now. Yours is kept and sent again until it is recorded, and counts once: {option}.",
        refused: "Your vote was not recorded: {option}.",
        refused_why: "Reload this page and try again.",
        waiting: "{n} votes are waiting.",
        votes_one: "{n} vote",
        votes: "{n} votes",
        live: "Live",
        paused: "Paused",
        stale: "Figures {n} s old, trying again",
        no_results: "No figures yet, trying again",
    },
};

pub(crate) static GERMAN: Texts = Texts {
    default_question: "Katzen oder Hunde?",
    default_options: ["Katzen", "Hunde"],

    description: "Abstimmen und zusehen, wie gezählt wird: jede Stimme genau einmal.",
    vote: "Abstimmen",
    results: "Ergebnis",
    api: "API",
    keys_hint: "Mit den Tasten 1–{n} abstimmen",
    ready: "Ein Klick ist eine Stimme. Sie zählt genau einmal.",
    history: "Gezählte Stimmen der letzten 5 Minuten",
    last_counted: "Letzte Stimme gezählt:",
    mine_counted: "Deine Stimme ist gezählt: {option}.",
    mine_recorded: "Deine Stimme ist angenommen. Gleich wird sie gezählt: Lade die Seite neu, um es zu sehen.",
    receipt: "Beleg",

    retry: "Diese Stimme noch einmal senden",
    back: "Zurück zur Abstimmung",
    detail: "Der Dienst sagt:",
    bad_request: Error {
        title: "Das war nicht zu verstehen",
        advice: "Geh zurück zur Abstimmung und versuche es von dort noch einmal.",
    },
    forbidden: Error {
        title: "Das ist nicht erlaubt",
        advice: "Es wurde nichts angenommen. Der Grund steht unten.",
    },
    not_found: Error {
        title: "Hier ist nichts",
        advice: "Die Adresse ist vielleicht falsch geschrieben, oder es gibt die Abstimmung oder die Stimme nicht. Hier geht es zur Abstimmung.",
    },
    not_allowed: Error {
        title: "Diese Adresse ist anders gemeint",
        advice: "Geh zurück zur Abstimmung und nimm die Knöpfe dort.",
    },
    too_large: Error {
        title: "Das war zu viel",
        advice: "Was gesendet wurde, ist größer, als eine Stimme sein kann. Geh zurück zur Abstimmung und versuche es noch einmal.",
    },
    unprocessable: Error {
        title: "Diese Stimme kann nicht gezählt werden",
        advice: "Es wurde nichts angenommen. Geh zurück und wähle, was dort steht.",
    },
    at_fault: Error {
        title: "Bei uns ist etwas kaputt",
        advice: "Es liegt nicht an dir. Versuche es später noch einmal.",
    },
    unavailable: Error {
        title: "Wir sind gerade nicht da",
        advice: "Angenommene Stimmen sind sicher. Lade die Seite gleich noch einmal.",
    },
    not_recorded: Error {
        title: "Deine Stimme ist noch nicht angenommen",
        advice: "Sende sie gleich noch einmal. So oft du das auch tust, sie zählt einmal.",
    },

    script: ScriptTexts {
        sending: "Deine Stimme wird gesendet: {option} …",
        recorded: "Deine Stimme ist angenommen: {option}.",
        counted: "Deine Stimme ist gezählt: {option}.",
        counted_at: "Gezählt um {time}.",
        receipt: "Beleg",
        offline: "Du bist offline. Deine Stimme ist aufgehoben und wird gesendet, sobald du wieder da bist: {option}.",
        retrying: "Gerade werden keine Stimmen angenommen. Deine ist aufgehoben, wird gesendet, bis sie angenommen ist, und zählt einmal: {option}.",
        refused: "Deine Stimme wurde nicht angenommen: {option}.",
        refused_why: "Lade die Seite neu und versuche es noch einmal.",
        waiting: "{n} Stimmen warten.",
        votes_one: "{n} Stimme",
        votes: "{n} Stimmen",
        live: "Live",
        paused: "Pause",
        stale: "{n} s alt, neuer Versuch läuft",
        no_results: "Noch keine Zahlen, neuer Versuch läuft",
    },
};

pub(crate) static SPANISH: Texts = Texts {
    default_question: "¿Gatos o perros?",
    default_options: ["Gatos", "Perros"],

    description: "Vota y mira cómo se cuenta: cada voto exactamente una vez.",
    vote: "Votar",
    results: "Resultados",
    api: "API",
    keys_hint: "Votar con las teclas 1–{n}",
    ready: "Un clic es un voto. Cuenta exactamente una vez.",
    history: "Votos contados en los últimos 5 minutos",
    last_counted: "Último voto contado:",
    mine_counted: "Tu voto está contado: {option}.",
    mine_recorded: "Tu voto está registrado. Se contará enseguida: recarga la página para verlo.",
    receipt: "Comprobante",

    retry: "Enviar este voto otra vez",
    back: "Volver a la votación",
    detail: "El servicio dice:",
    bad_request: Error {
        title: "No se ha entendido",
        advice: "Vuelve a la votación e inténtalo de nuevo desde allí.",
    },
    forbidden: Error {
        title: "No está permitido",
        advice: "No se ha registrado nada. El motivo está abajo.",
    },
    not_found: Error {
        title: "Aquí no hay nada",
        advice: "Puede que la dirección esté mal escrita, o que la votación o el voto no existan. Por aquí se va a la votación.",
    },
    not_allowed: Error {
        title: "Esta dirección funciona de otra manera",
        advice: "Vuelve a la votación y usa sus botones.",
    },
    too_large: Error {
        title: "Eso era demasiado",
        advice: "Lo enviado es mayor de lo que puede ser un voto. Vuelve a la votación e inténtalo de nuevo.",
    },
    unprocessable: Error {
        title: "Este voto no se puede contar",
        advice: "No se ha registrado nada. Vuelve y elige una de las opciones.",
    },
    at_fault: Error {
        title: "Algo se ha roto por nuestra parte",
        advice: "No es culpa tuya. Inténtalo más tarde.",
    },
    unavailable: Error {
        title: "Ahora mismo no estamos",
        advice: "Los votos registrados están a salvo. Recarga la página en un momento.",
    },
    not_recorded: Error {
        title: "Tu voto aún no se ha registrado",
        advice: "Envíalo de nuevo en un momento. Por mucho que lo hagas, cuenta una sola vez.",
    },

    script: ScriptTexts {
        sending: "Enviando tu voto: {option} …",
        recorded: "Tu voto está registrado: {option}.",
        counted: "Tu voto está contado: {option}.",
        counted_at: "Contado a las {time}.",
        receipt: "Comprobante",
        offline: "Estás sin conexión. Tu voto queda guardado y se enviará cuando vuelvas: {option}.",
        retrying: "Ahora no se admiten votos. El tuyo queda guardado, se reenvía hasta que se registre y cuenta una sola vez: {option}.",
        refused: "Tu voto no se ha registrado: {option}.",
        refused_why: "Recarga la página e inténtalo de nuevo.",
        waiting: "{n} votos en espera.",
        votes_one: "{n} voto",
        votes: "{n} votos",
        live: "En vivo",
        paused: "En pausa",
        stale: "Datos de hace {n} s, reintentando",
        no_results: "Aún sin datos, reintentando",
    },
};

/// Puts `value` in the place of `{name}`.
pub(crate) fn fill(text: &str, name: &str, value: &str) -> String {
    text.replace(&format!("{{{name}}}"), value)
}

#[cfg(test)]
mod tests {
    use crate::Language;

    fn placeholders(text: &str) -> Vec<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .collect()
    }

    #[test]
    fn every_language_leaves_the_same_gaps() {
        let script = |language: Language| serde_json::to_value(&language.texts().script).unwrap();
        let english = script(Language::English);
        for language in Language::ALL {
            for (name, text) in script(language).as_object().unwrap() {
                let (text, english) = (text.as_str().unwrap(), english[name].as_str().unwrap());
                assert_eq!(
                    placeholders(text),
                    placeholders(english),
                    "{language:?} {name}"
                );
            }
            assert_eq!(placeholders(language.texts().mine_counted), ["option"]);
            assert_eq!(placeholders(language.texts().keys_hint), ["n"]);
        }
    }
}
