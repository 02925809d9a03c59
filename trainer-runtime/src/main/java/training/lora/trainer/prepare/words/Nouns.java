package training.lora.trainer.prepare.words;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The nouns that captions begin with, in English: what a picture is of. */
final class Nouns {
    /** Words for a person. */
    static final List<String> PEOPLE = List.of(
            "woman",
            "man",
            "person",
            "girl",
            "boy",
            "lady",
            "gentleman",
            "guy",
            "child",
            "kid",
            "baby",
            "toddler",
            "teenager",
            "female",
            "male",
            "human");

    private static final Set<String> DETERMINERS = Set.of(
            "a", "an", "the", "this", "that", "these", "those", "one", "some", "two", "three", "four", "five",
            "several", "many", "his", "her", "its", "their", "my", "our");

    /** After these a noun's phrase is over. */
    private static final Set<String> ENDS = Stream.of(
                    "about above across against along among around as at before behind below beneath beside between by down",
                    "during for from in inside into like near next of off on onto out outside over past through to toward",
                    "towards under underneath up upon with within without and or but while that which who whose where when",
                    "is are was were be being been has have had does do did can holds stands sits lies looks wears shown",
                    "seen made it there")
            .flatMap(line -> Stream.of(line.split(" ")))
            .collect(Collectors.toUnmodifiableSet());

    /** End as participles do, and are things. */
    private static final Set<String> THINGS = Set.of(
            "building",
            "painting",
            "drawing",
            "ceiling",
            "clothing",
            "earring",
            "wing",
            "ring",
            "king",
            "string",
            "spring",
            "sibling",
            "duckling",
            "dumpling",
            "pudding",
            "railing",
            "stocking",
            "thing",
            "swing",
            "sling",
            "wedding",
            "evening",
            "morning",
            "lightning",
            "viking",
            "darling",
            "starling",
            "sapling",
            "herring",
            "icing",
            "frosting",
            "bed",
            "shed",
            "sled",
            "seed",
            "reed",
            "weed",
            "steed");

    /** Participles that say no more of the noun before them than what comes after, whatever that is. */
    private static final Set<String> TRANSITIVE = Set.of(
            "wearing",
            "holding",
            "eating",
            "carrying",
            "showing",
            "featuring",
            "having",
            "containing",
            "depicting",
            "using",
            "doing",
            "making",
            "giving",
            "getting",
            "taking",
            "being",
            "named",
            "called");

    /** After a participle these go with it. */
    private static final Set<String> ADVERBS = Set.of(
            "all",
            "both",
            "half",
            "very",
            "so",
            "just",
            "only",
            "not",
            "too",
            "together",
            "apart",
            "alone",
            "open",
            "closed",
            "shut",
            "upright",
            "still",
            "high",
            "low",
            "atop",
            "amid",
            "among");

    private static final Set<String> COLOURS = Set.of(
            "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey", "gray",
            "gold", "golden", "silver");

    /** What captioners put before what a picture shows: a close up photo of. */
    private static final Pattern OPENING = Pattern.compile(
            "^(?:(?:there|this|here|it) (?:is|are) )?(?:(?:an?|the) )?(?:[\\p{L}-]+ ){0,3}?(?:photos?|photographs?|pictures?|images?|portraits?"
                    + "|close[- ]?ups?|shots?|snapshots?|selfies?|views?|drawings?|paintings?|illustrations?|sketch(?:es)?|renders?"
                    + "|renderings?|emojis?|icons?|pair|group|couple)(?: (?:photo|shot|view|picture|image|portrait))? (?:of|showing) ");

    private static final Map<String, String> PLURALS = Map.ofEntries(
            Map.entry("man", "men"),
            Map.entry("woman", "women"),
            Map.entry("gentleman", "gentlemen"),
            Map.entry("person", "people"),
            Map.entry("child", "children"),
            Map.entry("foot", "feet"),
            Map.entry("tooth", "teeth"),
            Map.entry("mouse", "mice"),
            Map.entry("goose", "geese"),
            Map.entry("wolf", "wolves"),
            Map.entry("knife", "knives"),
            Map.entry("leaf", "leaves"),
            Map.entry("elf", "elves"),
            Map.entry("calf", "calves"),
            Map.entry("shelf", "shelves"),
            Map.entry("scarf", "scarves"),
            Map.entry("loaf", "loaves"),
            Map.entry("potato", "potatoes"),
            Map.entry("tomato", "tomatoes"),
            Map.entry("hero", "heroes"),
            Map.entry("cookie", "cookies"),
            Map.entry("zombie", "zombies"),
            Map.entry("hoodie", "hoodies"),
            Map.entry("pixie", "pixies"),
            Map.entry("genie", "genies"),
            Map.entry("sheep", "sheep"),
            Map.entry("fish", "fish"));

    private Nouns() {}

    static String withoutArticle(String words) {
        String bare = words.replaceFirst("(?i)^(?:an?|the) ", "");
        return bare.isEmpty() ? words : bare;
    }

    /** The noun that most of {@code captions} begin with, in the singular; null if there is none such. */
    static @Nullable String common(List<String> captions) {
        Map<String, Integer> counts = new LinkedHashMap<>();
        int told = 0;
        for (String caption : captions) {
            if (!caption.isBlank()) {
                told++;
                String noun = first(caption);
                if (noun != null) {
                    counts.merge(noun, 1, Integer::sum);
                }
            }
        }
        int all = told;
        return counts.entrySet().stream()
                .filter(e -> 2 * e.getValue() > all)
                .map(Map.Entry::getKey)
                .findFirst()
                .orElse(null);
    }

    /** The head of the noun phrase that {@code caption} begins with, in the singular; null if it begins with none. */
    static @Nullable String first(String caption) {
        String text = caption.toLowerCase(Locale.ROOT).strip();
        for (Matcher m = OPENING.matcher(text); m.find(); m = OPENING.matcher(text)) {
            text = text.substring(m.end());
        }
        text = text.replaceFirst("^(?:there|this|here|it) (?:is|are) ", "");
        List<String> phrase = new ArrayList<>();
        String[] tokens = text.split(" ");
        for (int i = 0; i < tokens.length; i++) {
            String word = bare(tokens[i]);
            boolean last = word.length() < tokens[i].length();
            boolean first = phrase.isEmpty();
            if (first && DETERMINERS.contains(word)) {
                continue;
            }
            if (ENDS.contains(word)) {
                break;
            }
            if (!first && isParticiple(word)) {
                String next = last || i + 1 == tokens.length ? "" : bare(tokens[i + 1]);
                if (TRANSITIVE.contains(word) || !mayGoOn(next)) {
                    break;
                }
                if (word.endsWith("ing") || COLOURS.contains(next) || next.endsWith("ly")) {
                    // A white washing machine, but a dog chasing balls; a cute stuffed brown bear, but a robot painted
                    // red.
                    return null;
                }
                // As in a brown stuffed animal.
                continue;
            }
            phrase.add(word);
            if (last) {
                break;
            }
        }
        String head = phrase.isEmpty() ? "" : phrase.get(phrase.size() - 1);
        return head.matches("\\p{IsLatin}{2,}") && !isParticiple(head) ? singular(head) : null;
    }

    private static String bare(String token) {
        return token.replaceFirst("[^\\p{L}\\p{N}]+$", "").replaceFirst("['’]s$", "");
    }

    /** Whether a noun's phrase may go on with {@code word} after a participle. */
    private static boolean mayGoOn(String word) {
        return word.matches("[\\p{L}'’-]+")
                && !ENDS.contains(word)
                && !DETERMINERS.contains(word)
                && !ADVERBS.contains(word);
    }

    private static boolean isParticiple(String word) {
        return word.length() > 4 && (word.endsWith("ing") || word.endsWith("ed")) && !THINGS.contains(word);
    }

    /** Whether {@code next} can't be the head of a noun phrase, so that the word before it is. */
    static boolean endsPhrase(String next) {
        String word = next.toLowerCase(Locale.ROOT);
        return ENDS.contains(word) || isParticiple(word);
    }

    private static String singular(String noun) {
        for (Map.Entry<String, String> entry : PLURALS.entrySet()) {
            if (entry.getValue().equals(noun)) {
                return entry.getKey();
            }
        }
        if (noun.endsWith("ies") && noun.length() > 4) {
            return noun.substring(0, noun.length() - 3) + "y";
        }
        if (noun.matches(".*(?:ss|[^o]us|x|zz|tz|ch|sh)es")) {
            return noun.substring(0, noun.length() - 2);
        }
        boolean plural = noun.length() > 3 && noun.endsWith("s") && !noun.matches(".*(?:ss|us|is)");
        return plural ? noun.substring(0, noun.length() - 1) : noun;
    }

    /** {@code noun}, of which the last word may be several, in the plural. */
    static String plural(String noun) {
        int last = noun.lastIndexOf(' ') + 1;
        String word = noun.substring(last);
        String lower = word.toLowerCase(Locale.ROOT);
        String irregular = PLURALS.get(lower);
        if (irregular != null) {
            return noun.substring(0, last) + irregular;
        }
        if (lower.matches(".*[^aeiou]y")) {
            return noun.substring(0, noun.length() - 1) + "ies";
        }
        return noun + (lower.matches(".*(?:s|x|z|ch|sh)") ? "es" : "s");
    }
}
