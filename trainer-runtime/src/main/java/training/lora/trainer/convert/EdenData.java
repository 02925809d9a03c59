package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;
import training.lora.api.ConceptMode;
import training.lora.trainer.files.DataFiles;

/** Eden's data sets: pictures of a folder and those below it, with captions beside them. */
final class EdenData {
    private static final String KEY = "lora_training_urls";

    /** All pictures that Pillow knows, none of them a mask. */
    private static final FolderRules RULES = new FolderRules(null, true, false);

    private final Options options;
    private final Findings findings;
    private final Places places;
    private final PictureFolders folders;
    private final Draft draft;

    EdenData(Options options, Places places, Draft draft) {
        this.options = options;
        this.findings = options.findings();
        this.places = places;
        this.draft = draft;
        folders = new PictureFolders(places, findings);
    }

    /** Where each of them lies. */
    static String[] urls(Options options) {
        String urls = options.text(KEY);
        if (urls == null) {
            throw options.wrong(KEY, "be given");
        }
        return urls.strip().split("\\s*\\|\\s*");
    }

    /**
     * Puts them all.
     *
     * @param words what calls that which each of them teaches; empty where nothing does
     */
    void put(ConceptMode mode, List<String> words) {
        String[] urls = urls(options);
        for (int i = 0; i < urls.length; i++) {
            ObjectNode dataset = draft.dataset(KEY, places.input(findings, KEY, urls[i]));
            if (!words.isEmpty()) {
                dataset.putObject("concept").put("mode", mode.name()).put("trigger", words.get(i));
            } else if (mode == ConceptMode.Style) {
                dataset.putObject("concept").put("mode", mode.name());
            }
        }
        for (String url : urls) {
            PictureFolder folder = folders.at(KEY, url);
            if (folder != null) {
                captions(folder, url);
            }
        }
    }

    private void captions(PictureFolder folder, String place) {
        RULES.tellPictures(findings, folder, place);
        if ("no_caption".equals(options.text("caption_model"))) {
            // Neither files nor tables of captions are read then, and so whatever they hold does no harm.
            return;
        }
        FolderCaptions captions = folders.captions(folder);
        // There they stand for the trigger in prompts alone.
        captions.requireWithout(Placeholders.of(draft, Set.of()), options, KEY);
        captions.requireOne(options, KEY);
        FolderRules.tellTables(findings, captions, folder.tables());
        FolderRules.tellCaptions(findings, folder, place, DataFiles.CAPTION);
    }
}
