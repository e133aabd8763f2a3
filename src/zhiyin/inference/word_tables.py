"""The vocabulary of prompts, English and Chinese: tempo words, moods, forms, genres, stop words. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tempo:
    """A tempo word: the range it means in quarters per minute and the word to print above the score."""

    low: float
    high: float
    word: str


@dataclass(frozen=True)
class Mood:
    """What a mood word says. None = nothing. density: "sparse" / "dense"; register: "low" / "high"; dynamic: p, mp, mf, f."""

    tempo: tuple[float, float] | None = None
    mode: str | None = None
    density: str | None = None
    register: str | None = None
    dynamic: str | None = None


_TEMPO = {
    "Largo": (40, 60), "Grave": (40, 56), "Lento": (48, 66), "Larghetto": (58, 72), "Adagio": (54, 76),
    "Andante": (72, 100), "Andantino": (80, 108), "Moderato": (92, 120), "Allegretto": (108, 126),
    "Allegro": (118, 156), "Vivace": (140, 172), "Presto": (160, 200), "Prestissimo": (190, 220),
}  # fmt: skip
_TEMPO_ALIASES = {
    "Largo": ("very slow", "very slowly", "广板", "极慢", "很慢", "非常慢", "最慢"),
    "Grave": ("庄板",),
    "Lento": ("slow", "slowly", "慢板", "缓慢", "慢速", "慢"),
    "Adagio": ("rather slow", "fairly slow", "柔板", "稍慢"),
    "Andante": ("walking pace", "walking", "unhurried", "行板"),
    "Andantino": ("小行板",),
    "Moderato": ("moderate", "moderately", "medium tempo", "medium", "mid-tempo", "midtempo", "中板", "中速"),
    "Allegretto": ("fairly fast", "小快板", "稍快"),
    "Allegro": ("fast", "quick", "quickly", "brisk", "up-tempo", "uptempo", "swift", "快板", "快速", "快"),
    "Vivace": ("活板", "快活"),
    "Presto": ("very fast", "very quick", "very quickly", "急板", "很快", "非常快", "飞快"),
    "Prestissimo": ("as fast as possible", "最急板", "极快", "最快"),
}
TEMPO_WORDS: dict[str, Tempo] = {
    name.casefold(): Tempo(*_TEMPO[word], word) for word in _TEMPO for name in (word, *_TEMPO_ALIASES.get(word, ()))
}

_MOODS: dict[tuple[str, ...], Mood] = {
    ("calm", "peaceful", "tranquil", "serene", "quiet", "restful", "relaxed", "relaxing", "平静", "安静", "宁静",
     "安详", "恬静"): Mood((56, 88), density="sparse", dynamic="p"),
    ("sad", "sorrowful", "mournful", "melancholy", "melancholic", "gloomy", "tragic", "tearful", "悲伤", "忧伤", "伤感",
     "忧郁", "悲哀", "哀伤", "悲", "难过"): Mood((48, 80), "minor", dynamic="p"),
    ("wistful", "nostalgic", "longing", "怀旧", "思念", "思乡", "惆怅"): Mood((60, 90), "minor", dynamic="mp"),
    ("happy", "joyful", "joyous", "cheerful", "merry", "sunny", "jolly", "快乐", "欢乐", "欢快", "喜悦", "高兴", "愉快",
     "开心", "喜庆"): Mood((108, 152), "major", dynamic="mf"),
    ("lively", "energetic", "spirited", "bouncy", "vigorous", "活泼", "轻快", "热烈", "有活力", "充满活力"): Mood(
        (112, 160), dynamic="mf"
    ),
    ("playful", "humorous", "funny", "whimsical", "俏皮", "诙谐", "幽默"): Mood((100, 144), "major", dynamic="mf"),
    ("gentle", "soft", "tender", "sweet", "delicate", "温柔", "柔和", "轻柔", "甜美"): Mood((60, 100), dynamic="p"),
    ("lyrical", "singing", "romantic", "expressive", "抒情", "浪漫", "悠扬", "优美"): Mood((60, 108), dynamic="mp"),
    ("dreamy", "floating", "ethereal", "梦幻", "空灵"): Mood((54, 88), register="high", dynamic="p"),
    ("solemn", "serious", "stately", "dignified", "noble", "majestic", "grand", "庄严", "庄重", "肃穆", "雄伟"): Mood(
        (54, 92), dynamic="mf"
    ),
    ("dark", "sombre", "somber", "brooding", "阴暗", "黑暗", "阴沉"): Mood(None, "minor", register="low"),
    ("mysterious", "eerie", "haunting", "神秘", "诡异"): Mood((54, 96), "minor", dynamic="p"),
    ("bright", "brilliant", "明亮", "明朗"): Mood(None, "major", register="high", dynamic="mf"),
    ("dramatic", "stormy", "passionate", "agitated", "fiery", "激烈", "激动", "热情", "激情"): Mood(
        (104, 160), dynamic="f"
    ),
    ("heroic", "triumphant", "victorious", "proud", "英雄", "胜利", "凯旋"): Mood((96, 138), "major", dynamic="f"),
    ("loud", "powerful", "strong", "响亮", "有力"): Mood(dynamic="f"),
    ("simple", "sparse", "plain", "简单", "稀疏", "朴素"): Mood(density="sparse"),
    ("busy", "dense", "virtuosic", "ornate", "密集", "繁复", "华丽"): Mood(density="dense"),
    ("low", "deep", "低沉", "低音区"): Mood(register="low"),
    ("high", "high-pitched", "高亢", "高音区"): Mood(register="high"),
}  # fmt: skip
MOODS: dict[str, Mood] = {name: mood for names, mood in _MOODS.items() for name in names}

NAMED_FORMS = {
    "ternary": "ABA", "ternary form": "ABA", "binary": "AABB", "binary form": "AABB", "rondo form": "ABACA",
    "song form": "AABA", "三段体": "ABA", "三段式": "ABA", "三部曲式": "ABA", "二段体": "AABB", "二段式": "AABB",
    "二部曲式": "AABB", "回旋曲式": "ABACA",
}  # fmt: skip

NAMED_METERS = {
    "common time": "4/4", "cut time": "2/2", "alla breve": "2/2", "waltz time": "3/4", "march time": "2/4",
    "triple time": "3/4", "triple meter": "3/4", "duple time": "2/4", "duple meter": "2/4", "in three": "3/4",
    "in four": "4/4", "in two": "2/4", "in six": "6/8", "三拍子": "3/4", "三拍": "3/4", "四拍子": "4/4", "四拍": "4/4",
    "二拍子": "2/4", "两拍子": "2/4", "六拍子": "6/8",
}  # fmt: skip

NAMED_CADENCES = {
    "half cadence": "half", "open ending": "half", "imperfect cadence": "half", "半终止": "half",
    "authentic cadence": "authentic", "perfect cadence": "authentic", "full close": "authentic", "完全终止": "authentic",
    "全终止": "authentic",
}  # fmt: skip

MODES = {
    "in a major key": "major", "in a minor key": "minor", "major key": "major", "minor key": "minor", "in major": "major",
    "in minor": "minor", "大调": "major", "小调": "minor",
}  # fmt: skip

# Kinds of music that people ask for; where the catalog lacks one it is refused rather than replaced.
GENRES = (
    "tango", "blues", "rock", "pop", "jazz", "ragtime", "rag", "swing", "bossa nova", "samba", "reggae", "metal", "techno",
    "house", "hip hop", "rap", "country", "sonata", "sonatina", "symphony", "concerto", "fugue", "invention", "nocturne",
    "etude", "prelude", "impromptu", "ballade", "scherzo", "mazurka", "polonaise", "waltz", "march", "minuet", "gavotte",
    "sarabande", "gigue", "allemande", "courante", "bourree", "jig", "reel", "hornpipe", "strathspey", "polka", "slip jig",
    "barndance", "schottische", "hymn", "chorale", "mass", "motet", "madrigal", "lied", "art song", "lullaby", "carol",
    "folk song", "string quartet", "opera", "aria", "toccata", "rondo", "berceuse", "barcarolle", "song",
    "探戈", "布鲁斯", "摇滚", "流行", "爵士", "拉格泰姆", "桑巴", "奏鸣曲", "交响曲", "协奏曲", "赋格", "夜曲", "练习曲", "前奏曲", "谐谑曲",
    "玛祖卡", "波兰舞曲", "波罗乃兹", "圆舞曲", "华尔兹", "进行曲", "小步舞曲", "吉格", "里尔", "圣歌", "赞美诗", "弥撒", "经文歌",
    "牧歌", "艺术歌曲", "摇篮曲", "民歌", "民谣", "歌剧", "咏叹调", "船歌",
)  # fmt: skip

COMPOSERS_ZH = {
    "巴赫": "Bach", "莫扎特": "Mozart", "贝多芬": "Beethoven", "肖邦": "Chopin", "萧邦": "Chopin", "舒伯特": "Schubert",
    "舒曼": "Schumann", "海顿": "Haydn", "勃拉姆斯": "Brahms", "亨德尔": "Handel", "李斯特": "Liszt", "帕莱斯特里那": "Palestrina",
    "若斯坎": "Josquin", "德彪西": "Debussy", "斯卡拉蒂": "Scarlatti", "乔普林": "Joplin", "门德尔松": "Mendelssohn",
    "柴可夫斯基": "Tchaikovsky", "维瓦尔第": "Vivaldi",
}  # fmt: skip

STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "with",
        "and",
        "or",
        "by",
        "from",
        "as",
        "is",
        "it",
        "its",
        "be",
        "me",
        "my",
        "i",
        "we",
        "you",
        "your",
        "us",
        "please",
        "write",
        "compose",
        "make",
        "create",
        "give",
        "generate",
        "play",
        "want",
        "would",
        "like",
        "need",
        "something",
        "some",
        "any",
        "piece",
        "pieces",
        "music",
        "musical",
        "tune",
        "work",
        "composition",
        "time",
        "long",
        "length",
        "lasting",
        "lasts",
        "last",
        "that",
        "this",
        "which",
        "very",
        "quite",
        "rather",
        "fairly",
        "bit",
        "little",
        "lot",
        "so",
        "more",
        "style",
        "styled",
        "feel",
        "feeling",
        "mood",
        "sort",
        "kind",
        "type",
        "about",
        "around",
        "roughly",
        "approximately",
        "circa",
        "just",
        "only",
        "then",
        "all",
        "but",
        "into",
        "over",
        "tempo",
        "key",
        "meter",
        "bars",
        "have",
        "has",
        "had",
        "let",
        "can",
        "could",
        "should",
        "new",
        "short",
        "solo",
        "duet",
        "duo",
        "instrumental",
        "written",
        "scored",
        "called",
        "one",
    ]
)
STOP_CHARACTERS = frozenset(
    "的了和与在我你请给写作个首支段一点曲用来让想要能为是把有很又非常以及音乐曲子乐曲作品风格感觉左右大约约调式速度节拍长度长"
)
STOP_PHRASES = (
    "节奏",
    "请给我",
    "帮我",
    "请",
    "写一首",
    "作一首",
    "来一首",
    "创作",
    "生成",
    "左右",
    "大约",
    "风格",
    "乐曲",
    "曲子",
    "作品",
)

NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
    "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80, "ninety": 90, "hundred": 100, "dozen": 12, "couple": 2, "thousand": 1000,
}  # fmt: skip
DIGITS_ZH = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
UNITS_ZH = {"十": 10, "百": 100, "千": 1000}
