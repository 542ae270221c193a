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
        "(?:batch(?:es)?|blocks?|bytes|chunks?|crates?|documents?|entries|files?|frames?|images?|items?|iterations?|jobs?|layers?|messages?|modules?|objects?|packages?|pages?|parts?|records?|rows?|segments?|stages?|steps?|targets?|tasks?|tiles?|tracks?|units?|urls?|users?|videos?)"
    };
}

/// A thing that stands before the number of its kind, as in `Step 3/7`.
macro_rules! numbered {
    () => {
        "(?:batch|chunk|epoch|file|frame|image|item|iter|iteration|job|layer|phase|progress|record|row|segment|stage|step|task)"
    };
}

/// Words before a percent or a ratio that is no progress: loads, counts of tests, changes, measures of quality.
macro_rules! no_progress {
    () => {
        r"(?i-u)\b(?:acc|accuracy|attempts?|capacity|chance|confidence|coverage|covered|decreas\w+|discount|errors?|fail(?:ed|ing|ures?)|faster|fill|free|hit|increas\w+|larger|load|loss|lost|off|packets?|pass(?:ed|ing)|precision|probability|rate|ratio|recall|reduc\w+|retry|retries|saving|score|slower|smaller|threshold|usage|used|uses|using|util\w*|volume|brightness)\b|\b(?:battery|cpu\w*|disk|gpu|mem|memory|ram|swap|swp)\W*$"
    };
}

pub(super) use {doing, done, no_progress, numbered, things};
