package training.lora.trainer.model.basemodel;

import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Which files of a model's folder are wanted: of many forms of the weights one, and no pickle. */
public final class PartFiles {
    /** The file that says that a folder is a diffusers model. */
    public static final String INDEX = "model_index.json";

    /** The folders of a diffusers folder that something is read from. */
    public static final List<String> COMPONENTS = Stream.concat(
                    Stream.of(Part.values()).map(Part::folder), Stream.of("scheduler", "tokenizer", "tokenizer_2"))
            .toList();

    private static final String FP16 = "fp16";

    private static final String NO_VARIANT = "";

    /** Which weights are fetched: the least that there is to fetch. */
    private static final List<String> FETCHED = List.of(FP16, NO_VARIANT);

    /** Which are read where both lie, as ModelFiles opens them. */
    private static final List<String> READ = List.of(NO_VARIANT, FP16);

    private static final String ENDING = ".safetensors";

    private static final Pattern PICKLE = Pattern.compile(".*\\.(bin|ckpt|pt|pth|pkl)");

    private PartFiles() {}

    /**
     * Those of a diffusers folder that are fetched, in fp16 where there are such.
     *
     * @param names of all files below it, with slashes
     * @throws TrainerException InvalidBaseModel if a part has no weights that can be read; its message goes on after a uri
     */
    public static Set<String> diffusers(Collection<String> names) {
        return diffusers(names, FETCHED);
    }

    /** The same of a folder that is here: those that a model is opened from, in fp16 where there are no others. */
    static Set<String> read(Collection<String> names) {
        return diffusers(names, READ);
    }

    private static Set<String> diffusers(Collection<String> names, List<String> variants) {
        Set<String> needed = new TreeSet<>(List.of(INDEX));
        for (String component : COMPONENTS) {
            needed.addAll(part(names, component + "/", stem(component), variants));
        }
        return needed;
    }

    /** Those of a folder with an autoencoder. */
    public static Set<String> autoencoder(Collection<String> names) {
        return part(names, "", Part.Vae.stem(), FETCHED);
    }

    /** Those of a folder with a CLIP model. */
    public static Set<String> clip(Collection<String> names) {
        return part(names, "", Part.TextEncoder.stem(), FETCHED);
    }

    /** Those of a folder with a BLIP model. */
    public static Set<String> blip(Collection<String> names) {
        Set<String> needed = new TreeSet<>(part(names, "", Part.TextEncoder.stem(), FETCHED));
        names.stream().filter("vocab.txt"::equals).forEach(needed::add);
        return needed;
    }

    private static String stem(String component) {
        return Stream.of(Part.values())
                .filter(part -> part.folder().equals(component))
                .map(Part::stem)
                .findAny()
                .orElse("");
    }

    /**
     * @param stem of the weights' names; empty where there are none
     * @param variants of weights, of which the first is taken that is there
     */
    private static Set<String> part(Collection<String> names, String folder, String stem, List<String> variants) {
        Set<String> here = names.stream()
                .filter(name -> name.startsWith(folder) && name.indexOf('/', folder.length()) < 0)
                .map(name -> name.substring(folder.length()))
                .collect(Collectors.toCollection(TreeSet::new));
        Set<String> needed = here.stream()
                .filter(name -> !name.startsWith("."))
                .filter(name -> name.endsWith(".json") && !name.contains(".index.") || name.equals("merges.txt"))
                .collect(Collectors.toCollection(LinkedHashSet::new));
        if (!stem.isEmpty() && !here.isEmpty()) {
            needed.addAll(weights(here, folder, stem, variants));
        }
        return needed.stream().map(name -> folder + name).collect(Collectors.toCollection(TreeSet::new));
    }

    private static Set<String> weights(Set<String> here, String folder, String stem, List<String> variants) {
        Pattern form = Pattern.compile(Pattern.quote(stem)
                + "(?:\\.([A-Za-z0-9_]+))?(-\\d{5}-of-\\d{5})?(?:\\.([A-Za-z0-9_]+))?\\.safetensors");
        TreeMap<String, Set<String>> whole = new TreeMap<>();
        TreeMap<String, Set<String>> shards = new TreeMap<>();
        for (String name : here) {
            Matcher matcher = form.matcher(name);
            if (matcher.matches()) {
                String variant = matcher.group(1) != null ? matcher.group(1) : matcher.group(3);
                (matcher.group(2) == null ? whole : shards)
                        .computeIfAbsent(variant == null ? NO_VARIANT : variant, v -> new TreeSet<>())
                        .add(name);
            }
        }
        for (String variant : variants) {
            Set<String> one = whole.get(variant);
            if (one != null) {
                return one;
            }
            Set<String> many = shards.get(variant);
            String index = stem + ENDING + ".index." + (variant.isEmpty() ? "" : variant + ".") + "json";
            if (many != null && here.contains(index)) {
                many.add(index);
                return many;
            }
        }
        List<String> pickles =
                here.stream().filter(name -> PICKLE.matcher(name).matches()).toList();
        throw new TrainerException(
                Reason.InvalidBaseModel,
                pickles.isEmpty()
                        ? "must have the weights %s%s%s, but has none".formatted(folder, stem, ENDING)
                        : "must have the weights %s%s%s, but has them only as a pickle (%s), which can run code and is never opened; name a revision or a repository that has them as .safetensors"
                                .formatted(folder, stem, ENDING, folder + pickles.get(0)));
    }
}
