//! Everything that the pages say, in every language. `{braces}` mark the gaps to fill in.

use serde::Serialize;

/// What a page says.
pub(crate) struct Texts {
    /// The words of the built-in poll, as the database has them, and what people read.
    pub default_poll: [(&'static str, &'static str); 3],

    /// For search engines and previews.
    pub description: &'static str,
    pub vote: &'static str,
    pub results: &'static str,
    pub api: &'static str,
    pub keys_hint: &'static str,
    pub ready: &'static str,
    /// Where each voter has one vote.
    pub ready_once: &'static str,
    pub opens: &'static str,
    pub closes: &'static str,
    pub closed: &'static str,
    pub polls: &'static str,
    pub open_polls: &'static str,
    pub upcoming_polls: &'static str,
    pub closed_polls: &'static str,
    pub no_polls: &'static str,
    pub history: &'static str,
    pub last_counted: &'static str,
    pub mine_counted: &'static str,
    pub mine_replaced: &'static str,
    /// The vote may still be on its way, or never have been cast.
    pub mine_not_counted: &'static str,
    pub mine_not_counted_advice: &'static str,
    pub receipt: &'static str,

    pub retry: &'static str,
    pub back: &'static str,
    /// Introduces the detail of a problem, which is in English.
    pub detail: &'static str,
    pub bad_request: Error,
    pub forbidden: Error,
    pub not_found: Error,
    pub not_allowed: Error,
    pub too_large: Error,
    pub unprocessable: Error,
    pub too_often: Error,
    pub at_fault: Error,
    pub unavailable: Error,
    pub not_recorded: Error,

    /// The pages for organizers.
    pub organize: &'static Organize,
    pub script: ScriptTexts,
}

/// What organizers read.
pub(crate) struct Organize {
    pub title: &'static str,
    pub token: &'static str,
    pub sign_in: &'static str,
    pub sign_in_hint: &'static str,
    pub sign_out: &'static str,
    pub wrong_token: &'static str,
    pub too_many: &'static str,
    pub sign_in_unavailable: &'static str,
    pub all_polls: &'static str,
    pub new_poll: &'static str,
    pub create: &'static str,
    pub name: &'static str,
    pub name_hint: &'static str,
    pub question: &'static str,
    pub options: &'static str,
    pub options_hint: &'static str,
    pub opens_at: &'static str,
    pub closes_at: &'static str,
    pub times_hint: &'static str,
    pub one_vote_per_voter: &'static str,
    pub change: &'static str,
    pub save: &'static str,
    pub saved: &'static str,
    /// Introduces the detail of a problem, which is in English.
    pub refused: &'static str,
    pub open_now: &'static str,
    pub open_again: &'static str,
    pub close_now: &'static str,
    pub page_to_vote: &'static str,
    pub log: &'static str,
    pub log_hint: &'static str,
    pub delete: &'static str,
    pub delete_hint: &'static str,
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
    /// By a later vote of the same voter.
    pub replaced: &'static str,
    pub receipt: &'static str,
    pub offline: &'static str,
    pub retrying: &'static str,
    pub refused: &'static str,
    pub waiting: &'static str,
    /// When the browser refuses to store the votes that are waiting.
    pub keep_open: &'static str,
    pub votes_one: &'static str,
    pub votes: &'static str,
    pub live: &'static str,
    pub paused: &'static str,
    pub stale: &'static str,
    pub no_results: &'static str,
}

pub(crate) static ENGLISH: Texts = Texts {
    default_poll: [
        ("Cats or dogs?", "Cats or dogs?"),
        ("cats", "Cats"),
        ("dogs", "Dogs"),
    ],

    description: "Cast your vote and watch the results come in. Every vote counts exactly once.",
    vote: "Vote",
    results: "Results",
    api: "API",
    keys_hint: "Vote with keys 1–{n}",
    ready: "One click casts one vote. It counts exactly once.",
    ready_once: "Each person has one vote. You can change yours while the poll is open.",
    opens: "Voting opens on {time}.",
    closes: "Voting closes on {time}.",
    closed: "Voting closed on {time}.",
    polls: "Polls",
    open_polls: "Open now",
    upcoming_polls: "Not open yet",
    closed_polls: "Closed",
    no_polls: "There are no polls at the moment.",
    history: "Votes counted in the last 5 minutes",
    last_counted: "Last vote counted:",
    mine_counted: "Your vote has been counted: {option}.",
    mine_replaced: "You have since voted again, so this vote no longer counts: {option}.",
    mine_not_counted: "No vote with this id has been counted yet.",
    mine_not_counted_advice: "If you have just voted, reload this page in a moment.",
    receipt: "Receipt",

    retry: "Send this vote again",
    back: "Back to the poll",
    detail: "The service says:",
    bad_request: Error {
        title: "We could not understand that",
        advice: "Go back to the poll and try again from there.",
    },
    forbidden: Error {
        title: "That is not allowed",
        advice: "Nothing was recorded. You can read why below.",
    },
    not_found: Error {
        title: "There is nothing here",
        advice: "The address may be mistyped, or there is no such poll or vote. You can go back to the poll from here.",
    },
    not_allowed: Error {
        title: "That does not work here",
        advice: "Go back to the poll and use the buttons there.",
    },
    too_large: Error {
        title: "That was too large",
        advice: "Your browser sent more than a vote can hold. Go back to the poll and try again.",
    },
    unprocessable: Error {
        title: "This vote cannot be counted",
        advice: "Nothing was recorded. Go back to the poll and choose one of its options.",
    },
    too_often: Error {
        title: "That was too much at once",
        advice: "Nothing was recorded. Wait a while, then go back to the poll and vote again.",
    },
    at_fault: Error {
        title: "Something went wrong on our side",
        advice: "It is not your fault. Please try again later.",
    },
    unavailable: Error {
        title: "We will be right back",
        advice: "All recorded votes are safe. Reload this page in a moment.",
    },
    not_recorded: Error {
        title: "Your vote could not be recorded yet",
        advice: "Send it again in a moment. However often you send it, it counts once.",
    },

    organize: &Organize {
        title: "Organize polls",
        token: "Token",
        sign_in: "Sign in",
        sign_in_hint: "One of the organizers' tokens. You stay signed in for 12 hours at most.",
        sign_out: "Sign out",
        wrong_token: "This is not the token of an organizer.",
        too_many: "Too many attempts to sign in have failed. Try again in {n} minutes.",
        sign_in_unavailable: "Nobody can sign in at the moment. Try again soon; the API works all the same.",
        all_polls: "All polls",
        new_poll: "New poll",
        create: "Create poll",
        name: "Name",
        name_hint: "Part of the poll's address: lower-case letters, digits and hyphens. It cannot be changed later.",
        question: "Question",
        options: "Options",
        options_hint: "One on each line, 2 to 50. Once there are votes, options can be added but not removed.",
        opens_at: "Opens",
        closes_at: "Closes",
        times_hint: "Both may stay empty. Times are in the time zone {zone}.",
        one_vote_per_voter: "One vote per voter, who can change it while the poll is open",
        change: "Change",
        save: "Save",
        saved: "Saved.",
        refused: "Nothing was changed:",
        open_now: "Open now",
        open_again: "Open again",
        close_now: "Close now",
        page_to_vote: "Page to vote on",
        log: "Audit log",
        log_hint: "Every vote that was recorded, also those that were replaced by a later one.",
        delete: "Delete poll",
        delete_hint: "Only a poll without votes can be deleted. Others can be closed.",
    },
    script: ScriptTexts {
        sending: "Sending your vote: {option} …",
        recorded: "Your vote has been recorded: {option}.",
        counted: "Your vote has been counted: {option}.",
        counted_at: "Counted at {time}.",
        replaced: "You have since voted again, so this vote no longer counts: {option}.",
        receipt: "Receipt",
        offline: "You are offline. Your vote is kept and will be sent once you are back online: {option}.",
        retrying: "Votes cannot be recorded right now. We will keep sending yours until it is; it counts once: {option}.",
        refused: "Your vote was not recorded: {option}.",
        waiting: "{n} votes are waiting.",
        keep_open: "Keep this page open: your browser will not store your vote.",
        votes_one: "{n} vote",
        votes: "{n} votes",
        live: "Live",
        paused: "Paused",
        stale: "Results are {n} s old, trying again",
        no_results: "No results yet, trying again",
    },
};

pub(crate) static GERMAN: Texts = Texts {
    default_poll: [
        ("Cats or dogs?", "Katzen oder Hunde?"),
        ("cats", "Katzen"),
        ("dogs", "Hunde"),
    ],

    description: "Stimm ab und sieh live zu, wie gezählt wird. Jede Stimme zählt genau einmal.",
    vote: "Abstimmen",
    results: "Ergebnis",
    api: "API",
    keys_hint: "Mit den Tasten 1–{n} abstimmen",
    ready: "Ein Klick ist eine Stimme. Sie zählt genau einmal.",
    ready_once: "Jede Person hat eine Stimme. Du kannst deine ändern, solange die Abstimmung läuft.",
    opens: "Die Abstimmung beginnt am {time}.",
    closes: "Die Abstimmung endet am {time}.",
    closed: "Die Abstimmung endete am {time}.",
    polls: "Abstimmungen",
    open_polls: "Jetzt offen",
    upcoming_polls: "Noch nicht offen",
    closed_polls: "Beendet",
    no_polls: "Zurzeit gibt es keine Abstimmungen.",
    history: "Gezählte Stimmen der letzten 5 Minuten",
    last_counted: "Letzte Stimme gezählt:",
    mine_counted: "Deine Stimme wurde gezählt: {option}.",
    mine_replaced: "Du hast danach noch einmal abgestimmt. Diese Stimme zählt nicht mehr: {option}.",
    mine_not_counted: "Unter dieser Kennung wurde noch keine Stimme gezählt.",
    mine_not_counted_advice: "Falls du gerade abgestimmt hast, lade die Seite gleich noch einmal.",
    receipt: "Beleg",

    retry: "Diese Stimme noch einmal senden",
    back: "Zurück zur Abstimmung",
    detail: "Meldung des Dienstes:",
    bad_request: Error {
        title: "Das haben wir nicht verstanden",
        advice: "Geh zurück zur Abstimmung und versuch es von dort aus noch einmal.",
    },
    forbidden: Error {
        title: "Das ist nicht erlaubt",
        advice: "Es wurde nichts gespeichert. Der Grund steht unten.",
    },
    not_found: Error {
        title: "Hier ist nichts",
        advice: "Vielleicht ist die Adresse falsch geschrieben, oder diese Abstimmung oder Stimme gibt es nicht. Von hier kommst du zurück zur Abstimmung.",
    },
    not_allowed: Error {
        title: "Das geht hier nicht",
        advice: "Geh zurück zur Abstimmung und benutze dort die Schaltflächen.",
    },
    too_large: Error {
        title: "Das war zu groß",
        advice: "Dein Browser hat mehr gesendet, als in eine Stimme passt. Geh zurück zur Abstimmung und versuch es noch einmal.",
    },
    unprocessable: Error {
        title: "Diese Stimme kann nicht gezählt werden",
        advice: "Es wurde nichts gespeichert. Geh zurück zur Abstimmung und wähle eine der Antworten.",
    },
    too_often: Error {
        title: "Das war zu viel auf einmal",
        advice: "Es wurde nichts gespeichert. Warte ein wenig, geh dann zurück zur Abstimmung und stimm noch einmal ab.",
    },
    at_fault: Error {
        title: "Bei uns ist etwas schiefgegangen",
        advice: "Es liegt nicht an dir. Bitte versuch es später noch einmal.",
    },
    unavailable: Error {
        title: "Wir sind gleich wieder da",
        advice: "Alle gespeicherten Stimmen sind sicher. Lade die Seite gleich noch einmal.",
    },
    not_recorded: Error {
        title: "Deine Stimme konnte noch nicht gespeichert werden",
        advice: "Sende sie gleich noch einmal. Egal, wie oft du sie sendest: Sie zählt nur einmal.",
    },

    organize: &Organize {
        title: "Abstimmungen verwalten",
        token: "Token",
        sign_in: "Anmelden",
        sign_in_hint: "Eines der Tokens für Veranstalter. Du bleibst höchstens 12 Stunden angemeldet.",
        sign_out: "Abmelden",
        wrong_token: "Das ist kein Token eines Veranstalters.",
        too_many: "Zu viele Anmeldungen sind fehlgeschlagen. Versuch es in {n} Minuten wieder.",
        sign_in_unavailable: "Zurzeit kann sich niemand anmelden. Versuch es bald wieder; die API funktioniert trotzdem.",
        all_polls: "Alle Abstimmungen",
        new_poll: "Neue Abstimmung",
        create: "Abstimmung anlegen",
        name: "Name",
        name_hint: "Teil der Adresse: Kleinbuchstaben, Ziffern und Bindestriche. Er lässt sich später nicht ändern.",
        question: "Frage",
        options: "Antworten",
        options_hint: "Eine je Zeile, 2 bis 50. Sobald es Stimmen gibt, können Antworten dazukommen, aber nicht mehr entfallen.",
        opens_at: "Beginn",
        closes_at: "Ende",
        times_hint: "Beides darf leer bleiben. Die Zeiten gelten in der Zeitzone {zone}.",
        one_vote_per_voter: "Eine Stimme je Person; sie kann geändert werden, solange die Abstimmung läuft",
        change: "Ändern",
        save: "Speichern",
        saved: "Gespeichert.",
        refused: "Es wurde nichts geändert:",
        open_now: "Jetzt öffnen",
        open_again: "Wieder öffnen",
        close_now: "Jetzt beenden",
        page_to_vote: "Seite zum Abstimmen",
        log: "Protokoll",
        log_hint: "Jede gespeicherte Stimme, auch die, die durch eine spätere ersetzt wurde.",
        delete: "Abstimmung löschen",
        delete_hint: "Nur eine Abstimmung ohne Stimmen lässt sich löschen. Andere lassen sich beenden.",
    },
    script: ScriptTexts {
        sending: "Deine Stimme wird gesendet: {option} …",
        recorded: "Deine Stimme wurde gespeichert: {option}.",
        counted: "Deine Stimme wurde gezählt: {option}.",
        counted_at: "Gezählt um {time}.",
        replaced: "Du hast danach noch einmal abgestimmt. Diese Stimme zählt nicht mehr: {option}.",
        receipt: "Beleg",
        offline: "Du bist offline. Deine Stimme wird aufbewahrt und gesendet, sobald du wieder online bist: {option}.",
        retrying: "Gerade können keine Stimmen gespeichert werden. Wir senden deine, bis es klappt; sie zählt nur einmal: {option}.",
        refused: "Deine Stimme wurde nicht gespeichert: {option}.",
        waiting: "{n} Stimmen warten.",
        keep_open: "Lass diese Seite offen: Dein Browser bewahrt deine Stimme nicht auf.",
        votes_one: "{n} Stimme",
        votes: "{n} Stimmen",
        live: "Live",
        paused: "Pausiert",
        stale: "Stand vor {n} s, neuer Versuch läuft",
        no_results: "Noch kein Ergebnis, neuer Versuch läuft",
    },
};

pub(crate) static SPANISH: Texts = Texts {
    default_poll: [
        ("Cats or dogs?", "¿Gatos o perros?"),
        ("cats", "Gatos"),
        ("dogs", "Perros"),
    ],

    description: "Vota y sigue los resultados en directo. Cada voto cuenta exactamente una vez.",
    vote: "Votar",
    results: "Resultados",
    api: "API",
    keys_hint: "Votar con las teclas 1 a {n}",
    ready: "Cada clic es un voto y cuenta exactamente una vez.",
    ready_once: "Cada persona tiene un voto. Puedes cambiar el tuyo mientras la votación esté abierta.",
    opens: "La votación empieza el {time}.",
    closes: "La votación termina el {time}.",
    closed: "La votación terminó el {time}.",
    polls: "Votaciones",
    open_polls: "Abiertas ahora",
    upcoming_polls: "Aún no abiertas",
    closed_polls: "Cerradas",
    no_polls: "Ahora mismo no hay votaciones.",
    history: "Votos contados en los últimos 5 minutos",
    last_counted: "Último voto contado:",
    mine_counted: "Tu voto se ha contado: {option}.",
    mine_replaced: "Has vuelto a votar después, así que este voto ya no cuenta: {option}.",
    mine_not_counted: "Aún no se ha contado ningún voto con este identificador.",
    mine_not_counted_advice: "Si acabas de votar, recarga la página en unos instantes.",
    receipt: "Comprobante",

    retry: "Enviar este voto otra vez",
    back: "Volver a la votación",
    detail: "Mensaje del servicio:",
    bad_request: Error {
        title: "No hemos entendido la solicitud",
        advice: "Vuelve a la votación e inténtalo de nuevo desde allí.",
    },
    forbidden: Error {
        title: "No está permitido",
        advice: "No se ha registrado nada. Abajo puedes ver el motivo.",
    },
    not_found: Error {
        title: "Aquí no hay nada",
        advice: "Puede que la dirección esté mal escrita o que la votación o el voto no existan. Desde aquí puedes volver a la votación.",
    },
    not_allowed: Error {
        title: "Eso no funciona aquí",
        advice: "Vuelve a la votación y usa sus botones.",
    },
    too_large: Error {
        title: "Has enviado demasiado",
        advice: "Tu navegador ha enviado más de lo que cabe en un voto. Vuelve a la votación e inténtalo de nuevo.",
    },
    unprocessable: Error {
        title: "Este voto no se puede contar",
        advice: "No se ha registrado nada. Vuelve a la votación y elige una de las opciones.",
    },
    too_often: Error {
        title: "Demasiados votos seguidos",
        advice: "No se ha registrado nada. Espera un poco, vuelve a la votación y vota de nuevo.",
    },
    at_fault: Error {
        title: "Algo ha fallado por nuestra parte",
        advice: "No es culpa tuya. Inténtalo de nuevo más tarde.",
    },
    unavailable: Error {
        title: "Volvemos enseguida",
        advice: "Todos los votos registrados están a salvo. Recarga la página en unos instantes.",
    },
    not_recorded: Error {
        title: "Tu voto aún no se ha registrado",
        advice: "Envíalo de nuevo en unos instantes. Por muchas veces que lo envíes, cuenta una sola vez.",
    },

    organize: &Organize {
        title: "Gestionar votaciones",
        token: "Token",
        sign_in: "Iniciar sesión",
        sign_in_hint: "Uno de los tokens de quienes organizan. La sesión dura como máximo 12 horas.",
        sign_out: "Cerrar sesión",
        wrong_token: "Este no es un token de quienes organizan.",
        too_many: "Demasiados intentos fallidos. Inténtalo de nuevo dentro de {n} minutos.",
        sign_in_unavailable: "Ahora mismo nadie puede iniciar sesión. Inténtalo pronto; la API sigue funcionando.",
        all_polls: "Todas las votaciones",
        new_poll: "Nueva votación",
        create: "Crear votación",
        name: "Nombre",
        name_hint: "Parte de la dirección: minúsculas, cifras y guiones. Después no se puede cambiar.",
        question: "Pregunta",
        options: "Opciones",
        options_hint: "Una por línea, de 2 a 50. Cuando haya votos, se pueden añadir opciones, pero no quitarlas.",
        opens_at: "Empieza",
        closes_at: "Termina",
        times_hint: "Ambas pueden quedar vacías. Las horas están en la zona horaria {zone}.",
        one_vote_per_voter: "Un voto por persona, que puede cambiarlo mientras la votación esté abierta",
        change: "Cambiar",
        save: "Guardar",
        saved: "Guardado.",
        refused: "No se ha cambiado nada:",
        open_now: "Abrir ahora",
        open_again: "Volver a abrir",
        close_now: "Cerrar ahora",
        page_to_vote: "Página para votar",
        log: "Registro de votos",
        log_hint: "Todos los votos registrados, también los que fueron sustituidos por otro posterior.",
        delete: "Eliminar votación",
        delete_hint: "Solo se puede eliminar una votación sin votos. Las demás se pueden cerrar.",
    },
    script: ScriptTexts {
        sending: "Enviando tu voto: {option} …",
        recorded: "Tu voto se ha registrado: {option}.",
        counted: "Tu voto se ha contado: {option}.",
        counted_at: "Contado a las {time}.",
        replaced: "Has vuelto a votar después, así que este voto ya no cuenta: {option}.",
        receipt: "Comprobante",
        offline: "No tienes conexión. Tu voto queda guardado y se enviará cuando la recuperes: {option}.",
        retrying: "Ahora mismo no se pueden registrar votos. Seguiremos enviando el tuyo hasta lograrlo; cuenta una sola vez: {option}.",
        refused: "Tu voto no se ha registrado: {option}.",
        waiting: "{n} votos en espera.",
        keep_open: "No cierres esta página: tu navegador no guarda tu voto.",
        votes_one: "{n} voto",
        votes: "{n} votos",
        live: "En directo",
        paused: "En pausa",
        stale: "Resultados de hace {n} s, reintentando",
        no_results: "Aún sin resultados, reintentando",
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
            assert_eq!(placeholders(language.texts().mine_replaced), ["option"]);
            let texts = language.texts();
            for hours in [texts.opens, texts.closes, texts.closed] {
                assert_eq!(placeholders(hours), ["time"]);
            }
            assert_eq!(placeholders(language.texts().keys_hint), ["n"]);
        }
    }
}
