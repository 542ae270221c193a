//! Lists of words that tell progress from other numbers, for use in patterns. All patterns match bytes and ignore case.

/// Activities of a program on many things. `\w+ing` would be too wide: `rating 8/10` is no progress.
macro_rules! doing {
    () => {
        "(?:(?:allocat|analy[sz]|appl[yi]|archiv|assembl|back|backfill|burn|bundl|calculat|check|cleann?|clon|collect|compil|compress|comput|configur|construct|convert|copy|count|crawl|creat|decod|decompress|decrypt|delet|deploy|discard|download|dump|embed|emerg|encod|encrypt|enumerat|eras|evaluat|execut|expand|export|extract|fetch|filter|fitt|flash|format|formatt|generat|hash|import|index|infer|inflat|install|iterat|lint|link|load|mapp|merg|migrat|minify|mov|optimi[sz]|pack|pars|precompil|predict|prepar|process|program|provision|publish|pull|push|quantiz|read|rebas|rebuild|receiv|refresh|reindex|remov|render|repair|replicat|resiz|resolv|restor|rewrit|ripp|running|sampl|sav|scan|scann|scrap|search|seed|send|shuffl|simulat|solv|splitt|stream|sort|sync|synchroni[sz]|test|tokeni[sz]|train|transcod|transfer|transferr|transform|translat|unpack|unzipp|updat|upgrad|upload|vacuum|validat|verify|wip|writ|zipp)ing|running|building|working|checking out)"
    };
}

/// Words for finished work on many things.
macro_rules! done {
    () => {
        "(?:analy[sz]ed|built|checked|complete|completed|compiled|converted|copied|decoded|deleted|done|downloaded|encoded|exported|extracted|fetched|finished|generated|imported|indexed|installed|loaded|migrated|moved|processed|read|received|rendered|scanned|sent|synced|tested|transcoded|updated|uploaded|validated|verified|written)"
    };
}

/// Things that a program handles one after the other. Tests and attempts are missing, since their counts are no progress.
macro_rules! things {
    () => {
        "(?:batch(?:es)?|blocks?|bytes|chunks?|crates?|documents?|entries|files?|frames?|images?|items?|iterations?|jobs?|layers?|messages?|modules?|objects?|packages?|pages?|parts?|records?|rows?|segments?|stages?|steps?|targets?|tasks?|tiles?|tracks?|urls?|videos?)"
    };
}

/// Things whose name stands before their number, as in `Step 3/7`.
macro_rules! numbered {
    () => {
        "(?:batch|chunk|epoch|file|frame|image|item|iter|iteration|job|layer|phase|progress|record|row|segment|stage|step|task)"
    };
}

/// Words for finished work that cannot stand before a date. `updated` is missing, since `updated 11/30` may be a date.
macro_rules! done_to_many {
    () => {
        "(?:analy[sz]ed|compiled|converted|copied|decoded|deleted|downloaded|encoded|exported|extracted|fetched|generated|imported|indexed|loaded|migrated|processed|rendered|scanned|synced|transcoded|uploaded|validated|verified)"
    };
}

/// Words that say that the number behind them is no progress: loads, counts of tests, changes, measures of quality. The words
/// after the second `\b(?:` count only directly before the number.
macro_rules! no_progress {
    () => {
        r"(?i-u)\b(?:accuracy|attempts?|battery|brightness|capacity|chance|confidence|coverage|covered|cpus?|decreas\w+|discount|fail(?:ed|ing|ures?)|faster|gpus?|increas\w+|larger|packets?|pass(?:ed|ing)|precision|probability|ratio|recall|reduc\w+|retry|retries|retrying|slower|smaller|threshold|usage|used|uses|using|util\w*|volume)\b|\b(?:a|about|above|acc|after|an|another|around|at|before|below|between|by|costs?|cpu\w*|disk|down|errors?|fill|free|from|hit|load|loss|lost|mem|memory|off|on|only|over|ram|rate|saved|saving|score|since|swap|swp|takes?|than|the|to|took|under|until|up|with)\W*$|\d=$"
    };
}

pub(super) use {doing, done, done_to_many, no_progress, numbered, things};
