//! Words that tell progress from other numbers, as parts of patterns. All patterns match bytes, without regard to case.

/// What a program does to one thing after the other. A list rather than `\w+ing`: `rating 8/10` is no progress.
macro_rules! doing {
    () => {
        "(?:(?:analy[sz]|appl[yi]|archiv|assembl|back|bundl|calculat|check|cleann?|clon|collect|compil|compress|comput|configur|convert|copy|count|crawl|creat|decod|decompress|decrypt|delet|deploy|download|dump|embed|encod|encrypt|enumerat|eras|evaluat|execut|expand|export|extract|fetch|filter|fitt|flash|format|generat|hash|import|index|infer|inflat|install|iterat|link|load|merg|migrat|minify|mov|optimi[sz]|pack|pars|precompil|predict|prepar|process|program|publish|pull|push|read|rebas|rebuild|receiv|refresh|reindex|remov|render|replicat|resolv|restor|running|sampl|sav|scan|scrap|search|seed|send|simulat|solv|sort|sync|synchroni[sz]|test|tokeni[sz]|train|transcod|transfer|transferr|transform|unpack|updat|upgrad|upload|validat|verify|writ)ing|running|building|working|checking out)"
    };
}

/// What a program has done to some of its things.
macro_rules! done {
    () => {
        "(?:analy[sz]ed|built|checked|complete|completed|compiled|converted|copied|decoded|deleted|done|downloaded|encoded|exported|extracted|fetched|finished|generated|imported|indexed|installed|loaded|migrated|moved|processed|read|received|rendered|scanned|sent|synced|tested|transcoded|updated|uploaded|validated|verified|written)"
    };
}

/// Things of which a program does one after the other. Neither tests nor attempts: those counts tell something else.
macro_rules! things {
    () => {
        "(?:batch(?:es)?|blocks?|bytes|chunks?|crates?|documents?|entries|files?|frames?|images?|items?|iterations?|jobs?|layers?|messages?|modules?|objects?|packages?|pages?|parts?|records?|rows?|segments?|stages?|steps?|targets?|tasks?|tiles?|tracks?|urls?|videos?)"
    };
}

/// A thing that stands before the number of its kind, as in `Step 3/7`.
macro_rules! numbered {
    () => {
        "(?:batch|chunk|epoch|file|frame|image|item|iter|iteration|job|layer|phase|progress|record|row|segment|stage|step|task)"
    };
}

/// What a program has done, where a ratio behind it cannot be meant as a date, as in `updated 11/30`.
macro_rules! done_to_many {
    () => {
        "(?:analy[sz]ed|compiled|converted|copied|decoded|deleted|downloaded|encoded|exported|extracted|fetched|generated|imported|indexed|loaded|migrated|moved|processed|rendered|scanned|synced|transcoded|uploaded|validated|verified)"
    };
}

/// Words before a percent or a ratio that is no progress: loads, counts of tests, changes, measures of quality; and behind the
/// last `|` words that are none directly before the number.
macro_rules! no_progress {
    () => {
        r"(?i-u)\b(?:accuracy|attempts?|battery|brightness|capacity|chance|confidence|coverage|covered|cpus?|decreas\w+|discount|fail(?:ed|ing|ures?)|faster|gpus?|increas\w+|larger|packets?|pass(?:ed|ing)|precision|probability|ratio|recall|reduc\w+|retry|retries|retrying|slower|smaller|threshold|usage|used|uses|using|util\w*|volume)\b|\b(?:a|about|above|acc|an|another|around|at|below|by|costs?|cpu\w*|disk|down|errors?|fill|free|from|hit|load|loss|lost|mem|memory|off|only|over|ram|rate|saved|saving|score|swap|swp|takes?|than|the|to|took|under|up|with)\W*$"
    };
}

pub(super) use {doing, done, done_to_many, no_progress, numbered, things};
