"""The style catalog: names in English and Chinese, synonyms for prompts, and which parent a thin style folds into.

How many pieces a style has is not said here: that is counted by each corpus and repeated by each model package.
``style_rules`` maps the words of the collections to these names.
"""

from __future__ import annotations

from collections.abc import Collection as Sized
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from zhiyin.errors import ControlError, near_names

MIN_PIECES = 50


@dataclass(frozen=True)
class Style:
    """A style. ``parent``: what its pieces count for where there are too few of them ("" = left unlabelled)."""

    name: str
    title: str
    chinese: str
    synonyms: tuple[str, ...] = ()
    parent: str = ""


def _style(name: str, title: str, chinese: str, synonyms: str = "", parent: str = "") -> Style:
    return Style(name, title, chinese, tuple(s.strip() for s in synonyms.split(",") if s.strip()), parent)


STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        _style(
            "mass", "mass movement", "弥撒曲", "missa, kyrie, gloria, credo, sanctus, agnus dei, 弥撒", "sacred-choral"
        ),
        _style("requiem", "requiem movement", "安魂曲", "mass for the dead, 安魂弥撒", "mass"),
        _style("vespers", "vespers psalm", "晚祷曲", "vesperae, nieszpory, magnificat, 晚祷", "sacred-choral"),
        _style("litany", "litany", "连祷曲", "litania, litanies, 连祷", "sacred-choral"),
        _style("psalm", "four-part psalm", "诗篇歌", "psalm setting, psalter, 诗篇, 赞美诗篇", "sacred-choral"),
        _style("motet", "motet", "经文歌", "motetto, offertory, offertorium, 圣歌, 奉献曲", "sacred-choral"),
        _style("antiphon", "antiphon", "对唱圣歌", "salve regina, ave maria, regina caeli, 交替圣歌", "sacred-choral"),
        _style("hymn", "hymn", "赞美诗", "hymnus, chorale, church song, 圣咏, 众赞歌, 赞歌", "sacred-choral"),
        _style("responsory", "responsory", "应答圣歌", "responsorium, 应答歌", "sacred-choral"),
        _style("carol", "carol", "圣诞颂歌", "christmas carol, pastorella, kolęda, 圣诞歌", "sacred-choral"),
        _style(
            "sacred-choral", "sacred choral piece", "宗教合唱曲", "choral, choir, church music, sacred, 合唱, 宗教音乐"
        ),
        _style("madrigal", "madrigal", "牧歌", "madrigale, madrigals, 意大利牧歌"),
        _style("german-lied", "German Lied", "德语艺术歌曲", "lied, lieder, german song, 德奥艺术歌曲", "art-song"),
        _style(
            "french-melodie",
            "French mélodie",
            "法语艺术歌曲",
            "mélodie, melodie, french song, 法国艺术歌曲",
            "art-song",
        ),
        _style("english-song", "English art song", "英语艺术歌曲", "english art song, 英国艺术歌曲", "art-song"),
        _style("polish-song", "Polish art song", "波兰艺术歌曲", "pieśń, 波兰歌曲", "art-song"),
        _style("art-song", "art song with piano", "艺术歌曲", "song, songs, voice and piano, 歌曲, 声乐曲"),
        _style("folk-song", "folk song with piano", "民歌", "folksong, folk tune, traditional song, 民谣", "art-song"),
        _style("children-song", "children's song", "儿歌", "children song, nursery song, 儿童歌曲, 童谣", "art-song"),
        _style("part-song", "secular part song", "世俗合唱曲", "partsong, male choir, glee, 男声合唱"),
        _style("opera", "scene from a stage work", "歌剧选段", "aria, operetta, oratorio, stage, 咏叹调, 歌剧"),
        _style("string-quartet", "string quartet movement", "弦乐四重奏", "quartet, quartets, 四重奏", "chamber"),
        _style("chamber", "chamber music", "室内乐", "trio, chamber, piano trio, duo, 三重奏, 二重奏"),
        _style("symphony", "symphony movement", "交响曲", "sinfonia, orchestra, orchestral, overture, 管弦乐, 序曲"),
        _style(
            "partita",
            "wind partita",
            "管乐组曲",
            "harmonie, wind serenade, cassation, divertimento, 嬉游曲",
            "symphony",
        ),
        _style("church-sonata", "church sonata", "教堂奏鸣曲", "sonata da chiesa, sonata pro processione", "symphony"),
        _style("sonata", "sonata movement", "奏鸣曲", "sonatina, sonate, 小奏鸣曲"),
        _style("mazurka", "mazurka", "玛祖卡", "mazur, mazurek, oberek, kujawiak, 玛祖卡舞曲", "piano-piece"),
        _style("polonaise", "polonaise", "波兰舞曲", "polonez, polacca, 波罗乃兹", "piano-piece"),
        _style("krakowiak", "krakowiak", "克拉科维亚克舞曲", "cracovienne", "piano-piece"),
        _style("waltz", "waltz", "圆舞曲", "walc, valse, walzer, 华尔兹, 华尔滋", "piano-piece"),
        _style("prelude", "prelude", "前奏曲", "preludium, praeludium, 序奏", "piano-piece"),
        _style("organ-prelude", "organ prelude", "管风琴前奏曲", "organ, organ piece, 管风琴, 管风琴曲", "prelude"),
        _style("etude", "etude", "练习曲", "étude, study, exercise, 练习", "piano-piece"),
        _style("nocturne", "nocturne", "夜曲", "notturno", "piano-piece"),
        _style("fugue", "fugue", "赋格", "fuga, fughetta, contrapunctus, 赋格曲", "baroque-keyboard"),
        _style("march", "march", "进行曲", "marsz, marche, marsch", "piano-piece"),
        _style("minuet", "minuet", "小步舞曲", "menuet, menuetto", "piano-piece"),
        _style("rondo", "rondo", "回旋曲", "rondeau", "piano-piece"),
        _style("variations", "variations", "变奏曲", "variation, theme and variations", "piano-piece"),
        _style(
            "baroque-keyboard",
            "Baroque keyboard piece",
            "巴洛克键盘曲",
            "invention, suite, baroque, 巴洛克, 创意曲, 组曲",
        ),
        _style(
            "piano-piece", "piano piece", "钢琴曲", "piano, piano solo, romantic piano, character piece, 钢琴独奏, 钢琴"
        ),
        _style(
            "guitar-piece", "classical guitar piece", "古典吉他曲", "guitar, classical guitar, lute, 吉他, 古典吉他"
        ),
        _style(
            "solo-strings",
            "unaccompanied string solo",
            "无伴奏弦乐独奏",
            "cello solo, violin solo, 大提琴独奏, 小提琴独奏",
            "chamber",
        ),
        _style("divertissement", "theatre dance", "舞剧音乐", "ballet, dance suite, contredanse, 芭蕾", "symphony"),
        _style("folk-tune", "traditional tune", "传统曲调", "folk, traditional, 民间曲调"),
        _style("reel", "reel", "里尔舞曲", "irish reel, 爱尔兰里尔, 里尔", "folk-tune"),
        _style("jig", "jig", "吉格舞曲", "double jig, irish jig, gigue, 吉格, 爱尔兰吉格", "folk-tune"),
        _style("slip-jig", "slip jig", "滑步吉格", "slipjig, hop jig, 9/8 jig", "jig"),
        _style("slide", "slide", "斯莱德舞曲", "irish slide, single jig", "folk-tune"),
        _style("polka", "polka", "波尔卡", "irish polka, 波尔卡舞曲", "folk-tune"),
        _style("hornpipe", "hornpipe", "号笛舞曲", "irish hornpipe, 霍恩派普", "folk-tune"),
        _style("ragtime", "ragtime", "拉格泰姆", "rag, jazz piano, 散拍"),
        _style("drums-rock", "rock drums", "摇滚鼓", "rock beat, rock groove, rock, 摇滚", "drums"),
        _style("drums-funk", "funk drums", "放克鼓", "funk beat, funk groove, funk, 放克", "drums"),
        _style("drums-jazz", "jazz drums", "爵士鼓点", "jazz beat, swing drums, jazz, swing, 爵士", "drums"),
        _style("drums-latin", "Latin drums", "拉丁鼓", "latin beat, samba, bossa nova, latin, 拉丁, 桑巴", "drums"),
        _style("drums-hiphop", "hip-hop drums", "嘻哈鼓", "hip hop beat, hiphop, hip-hop, 嘻哈", "drums"),
        _style("drums-soul", "soul drums", "灵魂乐鼓", "motown, soul, 灵魂乐", "drums"),
        _style(
            "drums-afrocuban", "Afro-Cuban drums", "非裔古巴鼓", "afro-cuban, afrocuban, bembe, rhumba, 非古", "drums"
        ),
        _style("drums-punk", "punk drums", "朋克鼓", "punk beat, punk, 朋克", "drums"),
        _style("drums-neworleans", "New Orleans drums", "新奥尔良鼓", "second line, new orleans", "drums"),
        _style("drums", "drum groove", "鼓点", "drum beat, drums, groove, percussion, 鼓, 架子鼓, 节奏"),
    )
}


@cache
def spoken_names() -> dict[str, str]:
    """Every way to name a style, in lower case (names, titles, Chinese, synonyms) -> the style's name.

    Where two styles share a word the first of the catalog has it.
    """
    words: dict[str, str] = {}
    for style in STYLES.values():
        for word in (style.name, style.title, style.chinese):
            words.setdefault(word.lower(), style.name)
    for style in STYLES.values():
        for word in style.synonyms:
            words.setdefault(word.lower(), style.name)
    return words


def resolve_style(name: str, known: Sized[str] | None = None) -> Style:
    """The style of a name, title, synonym or Chinese name; with ``known``, its nearest ancestor among those names.

    Raises ControlError with near names when the catalog, or the model's list ``known``, has neither.
    """
    words = spoken_names()
    key = " ".join(name.lower().replace("_", "-").split())
    found = words.get(key) or words.get(key.replace(" ", "-")) or words.get(key.removesuffix("s"))
    if found is None:
        choices = [w for w, style in words.items() if known is None or style in known]
        raise ControlError(
            f"Unknown style {name!r}",
            expected=f"one of the styles, such as {near_names(key, choices)}",
            received=repr(name),
            hint="`zhiyin models show` lists the styles of a package",
        )
    ancestor: str = found
    while known is not None and ancestor and ancestor not in known:
        ancestor = STYLES[ancestor].parent
    if not ancestor:
        raise ControlError(
            f"The model has not learned the style {found!r}",
            expected=f"one of {near_names(found, known or ())}",
            received=repr(name),
            hint="train on pieces of that style: `zhiyin train FOLDER --from default`",
        )
    return STYLES[ancestor]


def fold(counts: Mapping[str, float], min_pieces: float = MIN_PIECES) -> dict[str, str]:
    """Style -> the style it is learned as: itself, its first ancestor that has enough pieces, or "".

    counts: pieces per style after deduplication. A thin style's pieces are added to its parent before that is judged.
    """
    mass = {name: float(counts.get(name, 0)) for name in STYLES}
    target = {name: name for name in STYLES}
    depth = {name: _depth(name) for name in STYLES}
    for name in sorted(STYLES, key=lambda n: -depth[n]):
        if mass[name] < min_pieces:
            parent = STYLES[name].parent
            if parent:
                mass[parent] += mass[name]
            for child, goal in target.items():
                if goal == name:
                    target[child] = parent
    return target


def _depth(name: str) -> int:
    parent = STYLES[name].parent
    return 1 + _depth(parent) if parent else 0
