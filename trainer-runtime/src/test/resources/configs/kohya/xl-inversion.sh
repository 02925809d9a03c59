python sdxl_train_textual_inversion.py --pretrained_model_name_or_path "models/sd xl" --train_data_dir src/test/resources/configs/kohya/folders ^
  --token_string tin --use_object_template --resolution 1024 --optimizer_type Prodigy --learning_rate 1 --optimizer_args "weight_decay=0.01" d_coef=2 ^
  --max_train_epochs 10 --output_dir out --caption_prefix "a toy" --max_grad_norm 0 --log_with tensorboard
