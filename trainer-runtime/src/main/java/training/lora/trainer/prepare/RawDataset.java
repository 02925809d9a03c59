package training.lora.trainer.prepare;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.DatasetSpec;
import training.lora.api.Reason;
import training.lora.api.Uris;
import training.lora.trainer.Names;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.CaptionEntries;
import training.lora.trainer.files.CaptionEntries.Entry;
import training.lora.trainer.files.CaptionTable;
import training.lora.trainer.files.CaptionTables;
import training.lora.trainer.files.DataFiles;
import training.lora.trainer.files.NoTextException;
import training.lora.trainer.prepare.picture.FileBytes;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.ItemBuilder;
import training.lora.trainer.prepare.picture.PictureFormat;

/** The pictures of a folder, known by their content, and the captions and masks beside them, as they came. */
final class RawDataset {
    private static final Logger LOG = LoggerFactory.getLogger(RawDataset.class);

    /** How many files are named in a sentence. */
    private static final int NAMED = 5;

    private final DatasetSpec source;
    private final CaptionRules rules;
    private final DataFolder.Content content;
    private final Map<String, List<DataFolder.Entry>> captions = new LinkedHashMap<>();
    private final Map<String, List<DataFolder.Entry>> pictures = new LinkedHashMap<>();
    private final Map<String, List<DataFolder.Entry>> masks = new LinkedHashMap<>();
    private final List<CaptionTable> tables = new ArrayList<>();
    private final List<CaptionTable> otherTables = new ArrayList<>();
    private final Map<List<String>, String> tabled = new HashMap<>();
    private final Map<String, LeftOut.File> others = new TreeMap<>();
    private final List<String> problems = new ArrayList<>();

    private RawDataset(DatasetSpec source, DataFolder.Content content, CaptionRules rules) {
        this.source = source;
        this.rules = rules;
        this.content = content;
    }

    /**
     * What a data set holds.
     *
     * @param leftOut what was left out, in a sentence; null if nothing
     */
    record Listed(List<Item> items, @Nullable String leftOut) {
        Listed {
            items = List.copyOf(items);
        }
    }

    /**
     * All pictures of {@code source} by name; all wrong captions are listed at once.
     *
     * @param rules what is done with the texts beside the pictures
     * @throws TrainerException InvalidData if most of it would be left out, or a picture lacks a caption of its own
     */
    static Listed list(DatasetSpec source, DataFolder.Content content, CaptionRules rules) throws IOException {
        RawDataset dataset = new RawDataset(source, content, rules);
        dataset.sort();
        String leftOut = dataset.leftOut();
        List<Item> items = dataset.items();
        String notes = Stream.of(leftOut, dataset.entriesOfNoPicture())
                .filter(Objects::nonNull)
                .collect(Collectors.joining("; "));
        return new Listed(items, notes.isEmpty() ? null : notes);
    }

    private void sort() throws IOException {
        List<DataFolder.Entry> rest = new ArrayList<>();
        List<DataFolder.Entry> sources = new ArrayList<>();
        for (DataFolder.Entry file : content.files()) {
            if (DataFiles.isCaption(file.extension())) {
                put(captions, file.stem(), file);
            } else if (!CaptionTables.isOne(file.name())) {
                rest.add(file);
            } else if (!rules.ignored()) {
                readTable(file);
            }
        }
        for (DataFolder.Entry file : rest) {
            PictureFormat format = format(file.path());
            // A file that is called a picture and is none is broken: it is kept, to be refused by name.
            boolean broken = format == null && DataFiles.isPicture(file.extension());
            if (!broken && (format == null || !format.readable())) {
                boolean picture = format != null || PictureFormat.isPicture(file.extension());
                others.put(
                        file.name(), new LeftOut.File(file, format == null ? null : format.unreadableLabel(), picture));
            } else if (DataFiles.isMask(file.stem())) {
                put(masks, file.stem().substring(0, file.stem().length() - DataFiles.MASK.length()), file);
            } else if (format != null && format.isSourceOfOthers()) {
                sources.add(file);
            } else {
                put(pictures, file.stem(), file);
            }
        }
        for (DataFolder.Entry file : sources) {
            // Beside a picture of the same name it is where that came from.
            if (!pictures.containsKey(file.stem())) {
                put(pictures, file.stem(), file);
            }
        }
        inAnyCase(captions);
        inAnyCase(masks);
        masks.forEach((stem, files) -> {
            if (!pictures.containsKey(stem)) {
                files.forEach(
                        file -> others.put(file.name(), new LeftOut.File(file, "a mask without its picture", false)));
            }
        });
        for (DataFolder.LostLink lost : content.lost()) {
            DataFolder.Entry link = lost.link();
            others.put(link.name(), new LeftOut.File(link, lost.why(), PictureFormat.isPicture(link.extension())));
        }
    }

    /**
     * Where names differ in case alone, as files that come from Windows may, IMG_1.PNG is the picture of img_1.txt, if
     * nothing has its exact name and no other picture could be meant.
     */
    private void inAnyCase(Map<String, List<DataFolder.Entry>> beside) {
        Map<String, List<String>> alone = pictures.keySet().stream()
                .filter(stem -> !beside.containsKey(stem))
                .collect(Collectors.groupingBy(stem -> stem.toLowerCase(Locale.ROOT)));
        for (String stem : List.copyOf(beside.keySet())) {
            List<String> meant = alone.getOrDefault(stem.toLowerCase(Locale.ROOT), List.of());
            if (!pictures.containsKey(stem) && meant.size() == 1) {
                beside.computeIfAbsent(meant.get(0), k -> new ArrayList<>()).addAll(beside.remove(stem));
            }
        }
    }

    private static void put(Map<String, List<DataFolder.Entry>> map, String key, DataFolder.Entry file) {
        map.computeIfAbsent(key, k -> new ArrayList<>()).add(file);
    }

    private static @Nullable PictureFormat format(Path file) throws IOException {
        try (FileBytes bytes = FileBytes.open(file)) {
            return PictureFormat.of(bytes);
        } catch (AccessDeniedException e) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "each file of a data set must be readable, but this process may not read " + file,
                    e);
        }
    }

    private @Nullable String leftOut() {
        LeftOut leftOut = new LeftOut(source.name());
        Set<String> unused = new TreeSet<>(captions.keySet());
        unused.removeAll(pictures.keySet());
        for (LeftOut.File file : others.values()) {
            String stem = file.entry().stem();
            unused.remove(stem);
            // Beside a picture of the same name it is where that came from, or what another program made of it.
            if (!pictures.containsKey(stem)) {
                leftOut.add(file, captions.containsKey(stem));
            }
        }
        int count = pictures.values().stream().mapToInt(List::size).sum();
        leftOut.requireFewerThan(count);
        if (count == 0) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "data set \"%s\" must hold pictures (%s), but %s has none"
                            .formatted(
                                    source.name(),
                                    String.join(", ", PictureFormat.readableLabels()),
                                    Uris.shown(source.uri())));
        }
        if (!unused.isEmpty()) {
            // Their pictures may be missing, or they are no captions: a licence, or what the data set is about.
            LOG.info(
                    "data set \"{}\" has texts without a picture beside them: {}",
                    source.name(),
                    String.join(", ", unused));
        }
        return leftOut.note();
    }

    private void readTable(DataFolder.Entry file) throws IOException {
        try {
            CaptionTable table = CaptionTable.read(file.path(), file.name());
            (table.captions() ? tables : otherTables).add(table);
        } catch (NoTextException e) {
            problems.add(file.name() + " " + e.getMessage());
        }
    }

    private List<Item> items() throws IOException {
        List<Item> items = new ArrayList<>();
        Set<List<Path>> seen = new HashSet<>();
        for (Map.Entry<String, List<DataFolder.Entry>> beside : pictures.entrySet()) {
            DataFolder.Entry picture = beside.getValue().get(0);
            for (DataFolder.Entry other :
                    beside.getValue().subList(1, beside.getValue().size())) {
                problems.add(other.name() + " and " + picture.name() + " share one caption");
            }
            DataFolder.Entry caption = only("captions", picture, captions.get(beside.getKey()));
            DataFolder.Entry mask = only("masks", picture, masks.get(beside.getKey()));
            SidecarText text = rules.ignored() ? null : text(picture, caption);
            if (text == null && !rules.ignored() && (rules.required() || lost(picture) != null)) {
                problems.add(withoutCaption(picture));
            } else if (!content.linked()
                    || seen.add(List.of(real(picture), caption == null ? picture.path() : real(caption)))) {
                CaptionRules.Caption worded = rules.caption(source, text);
                items.add(ItemBuilder.builder()
                        .dataset(source)
                        .name(source.name() + "/" + picture.name())
                        .file(picture.path())
                        .caption(worded.text())
                        .invisible(text == null ? 0 : text.invisible())
                        .said(text == null || text.whole() ? null : text.texts())
                        .variants(worded.variants())
                        .captionFrom(text == null ? null : text.from())
                        .mask(mask == null ? null : mask.path())
                        .build());
            }
        }
        if (!rules.ignored() && items.stream().anyMatch(item -> item.captionFrom() == null)) {
            // Where every picture has its caption such a file is about something else.
            otherTables.forEach(table -> problems.add(table.name() + " " + CaptionEntries.wanted()));
        }
        if (!problems.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    (rules.required()
                                    ? "each picture of data set \"%s\" must have a caption of its own: %s"
                                    : "each caption of data set \"%s\" must be text and belong to one picture: %s")
                            .formatted(source.name(), String.join("; ", problems)));
        }
        return items;
    }

    /** Pictures that tables speak of and that aren't there, which may have been left behind; null if there are none. */
    private @Nullable String entriesOfNoPicture() {
        List<String> missing = tables.stream()
                .flatMap(table -> table.pictures().stream()
                        .filter(picture -> !tabled.containsKey(List.of(table.name(), picture)))
                        .map(picture -> picture + " (" + table.name() + ")"))
                .sorted()
                .toList();
        return missing.isEmpty()
                ? null
                : "data set \"%s\" has captions of pictures that it doesn't have: %s"
                        .formatted(source.name(), Names.some(missing, NAMED));
    }

    /** The link by which a picture's caption can't be reached; null if there is none. */
    private DataFolder.@Nullable LostLink lost(DataFolder.Entry picture) {
        return content.lost().stream()
                .filter(lost -> lost.link().stem().equals(picture.stem())
                        && DataFiles.isCaption(lost.link().extension()))
                .findFirst()
                .orElse(null);
    }

    private String withoutCaption(DataFolder.Entry picture) {
        DataFolder.LostLink lost = lost(picture);
        if (lost != null) {
            return "%s has no caption that can be read, %s is %s"
                    .formatted(picture.name(), lost.link().name(), lost.why());
        }
        String stem = picture.stem().substring(picture.folder().length());
        return "%s has no caption %s.%s beside it".formatted(picture.name(), stem, DataFiles.CAPTION);
    }

    private DataFolder.@Nullable Entry only(
            String what, DataFolder.Entry picture, @Nullable List<DataFolder.Entry> beside) {
        if (beside == null) {
            return null;
        }
        if (beside.size() > 1) {
            problems.add("%s has %d %s: %s"
                    .formatted(
                            picture.name(),
                            beside.size(),
                            what,
                            String.join(
                                    " and ",
                                    beside.stream().map(DataFolder.Entry::name).toList())));
        }
        return beside.get(0);
    }

    private static Path real(DataFolder.Entry file) throws IOException {
        return file.path().toRealPath();
    }

    /** What a table says of {@code picture}; null if nothing. An entry is of one picture. */
    private @Nullable Entry said(CaptionTable table, DataFolder.Entry picture) {
        try {
            Entry said = table.of(picture.name());
            if (said != null) {
                String other = tabled.putIfAbsent(List.of(table.name(), said.picture()), picture.name());
                if (other != null && !other.equals(picture.name())) {
                    problems.add("%s has one entry %s for %s and %s"
                            .formatted(table.name(), said.picture(), other, picture.name()));
                }
            }
            return said;
        } catch (NoTextException e) {
            problems.add(table.name() + " " + e.getMessage());
            return null;
        }
    }

    /** What is said of {@code picture} beside it; null if nothing is. */
    private @Nullable SidecarText text(DataFolder.Entry picture, DataFolder.@Nullable Entry caption)
            throws IOException {
        Map<CaptionTable, Entry> found = new LinkedHashMap<>();
        for (CaptionTable table : tables) {
            Entry said = said(table, picture);
            if (said != null) {
                found.put(table, said);
            }
        }
        List<CaptionTable> saying = List.copyOf(found.keySet());
        if (saying.size() + (caption == null ? 0 : 1) > 1) {
            problems.add("%s has several captions: in %s%s"
                    .formatted(
                            picture.name(),
                            CaptionTable.names(saying),
                            caption == null ? "" : " and " + caption.name()));
        }
        if (caption == null && saying.isEmpty()) {
            return null;
        }
        try {
            return caption == null
                    ? rules.ofTable(saying.get(0), Objects.requireNonNull(found.get(saying.get(0))))
                    : rules.ofFile(caption);
        } catch (NoTextException e) {
            problems.add((caption == null ? saying.get(0).name() : caption.name()) + " " + e.getMessage());
            return SidecarText.NONE;
        }
    }
}
