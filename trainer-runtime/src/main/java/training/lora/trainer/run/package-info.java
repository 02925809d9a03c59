/** What a run is: its spec, its workspace, and where its stages report. */
@NullMarked
package training.lora.trainer.run;

import org.jspecify.annotations.NullMarked;
