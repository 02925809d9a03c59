package training.lora.trainer.prepare.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.opencv.core.Mat;
import training.lora.api.Json;
import training.lora.api.MaskSource;
import training.lora.trainer.prepare.report.DataReport.ReportedPicture;

/** Makes and writes the report. */
public final class Reports {
    /** The report's name as JSON. */
    public static final String JSON = "report.json";

    /** The report's name as a page. */
    public static final String PAGE = "report.html";

    /** Pairs of so many pictures would take minutes to compare. */
    private static final int MOST_COMPARED = 5000;

    private Reports() {}

    /**
     * @param longest how many tokens of a caption are read
     * @param masks where masks come from
     */
    public static DataReport of(List<ReportedPicture> pictures, int longest, MaskSource masks) {
        Map<String, Integer> buckets = pictures.stream()
                .collect(Collectors.toMap(
                        p -> p.preparedWidth() + "x" + p.preparedHeight(), p -> 1, Integer::sum, TreeMap::new));
        List<List<String>> alike = alike(pictures);
        return DataReportBuilder.builder()
                .version(DataReport.VERSION)
                .pictures(pictures)
                .buckets(buckets)
                .alike(alike)
                .concepts(List.of())
                .masks(List.of())
                .notes(List.of())
                .warnings(new Warnings(pictures, longest, masks).all(alike))
                .build();
    }

    /** {@code before} with other captions: {@code pictures} are its own but for these. */
    public static DataReport recaptioned(
            DataReport before, List<ReportedPicture> pictures, int longest, MaskSource masks) {
        return DataReportBuilder.builder(before)
                .pictures(pictures)
                .warnings(new Warnings(pictures, longest, masks).all(before.alike()))
                .build();
    }

    /** Groups of names, each picture of which is like another of its group. */
    private static List<List<String>> alike(List<ReportedPicture> pictures) {
        // Several pictures may be made of one, which is looked at once.
        List<ReportedPicture> files = List.copyOf(pictures.stream()
                .collect(Collectors.toMap(ReportedPicture::name, p -> p, (first, copy) -> first, LinkedHashMap::new))
                .values());
        int count = Math.min(MOST_COMPARED, files.size());
        int[] group = IntStream.range(0, count).toArray();
        for (int i = 0; i < count; i++) {
            for (int j = i + 1; j < count; j++) {
                if (first(group, i) != first(group, j)
                        && files.get(i).measures().alike(files.get(j).measures())) {
                    group[first(group, j)] = first(group, i);
                }
            }
        }
        Map<Integer, List<String>> groups = new TreeMap<>();
        for (int i = 0; i < count; i++) {
            groups.computeIfAbsent(first(group, i), g -> new ArrayList<>())
                    .add(files.get(i).name());
        }
        return groups.values().stream()
                .filter(names -> names.size() > 1)
                .map(names -> names.stream().sorted().toList())
                .toList();
    }

    /** The picture that a group is known by; what leads to it is made shorter on the way. */
    private static int first(int[] group, int picture) {
        int at = picture;
        while (group[at] != at) {
            group[at] = group[group[at]];
            at = group[at];
        }
        return at;
    }

    /** The masks of a report's pictures, which are the caller's to release. */
    public interface Masks {
        /** Of 8 bits, of whatever size; null where every part of the picture counts. */
        @Nullable Mat of(int picture);
    }

    /** Writes both forms into the prepared data set's folder. */
    public static void write(DataReport report, Path folder, Masks masks) throws IOException {
        Json.PRETTY.writeValue(folder.resolve(JSON).toFile(), report);
        Files.writeString(folder.resolve(PAGE), new ReportPage(report, folder, masks).html());
    }
}
